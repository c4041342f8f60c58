/** Things of which one owner at a time may have each: cache volumes that are locked. */
export interface Locks {
  /**
   * Takes all of these, one after the other in the order of their names, so that two who want the same two cannot block
   * each other. Who waits for one is served in the order of asking.
   *
   * @throws what `mayWait` throws; the abort reason of `signal`. Then it has none of them.
   */
  acquire(names: readonly string[], options: LockOptions): Promise<Disposable>
  /** Whether somebody waits for what this owner has. */
  isWanted(owner: string): boolean
  /** Those who must let go before this owner goes on: who has what it waits for, and who waited before it. */
  blockersOf(owner: string): string[]
  /** Everybody who waits, and what for. */
  waiting(): { owner: string; name: string }[]
}

export interface LockOptions {
  owner: string
  signal?: AbortSignal
  /** Called each time it begins to wait; what it throws ends the wait before it has begun. */
  mayWait?: (name: string, holder: string) => void
}

export interface LocksOptions {
  /** Somebody waits for what this owner has. */
  onWanted?: (owner: string) => void
}

interface Lock {
  holder: string
  readonly queue: Waiter[]
}

interface Waiter {
  readonly owner: string
  take(): void
}

export function createLocks({ onWanted }: LocksOptions = {}): Locks {
  const locks = new Map<string, Lock>()

  const release = (name: string) => {
    const lock = locks.get(name)
    const next = lock?.queue.shift()
    if (lock === undefined || next === undefined) {
      locks.delete(name)
      return
    }
    lock.holder = next.owner
    next.take()
    if (lock.queue.length > 0) onWanted?.(next.owner)
  }

  const take = async (name: string, { owner, signal, mayWait }: LockOptions): Promise<void> => {
    signal?.throwIfAborted()
    const lock = locks.get(name)
    if (lock === undefined) {
      locks.set(name, { holder: owner, queue: [] })
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { owner, take: resolve }
    const leave = () => {
      const at = lock.queue.indexOf(waiter)
      // Not there any more: it was taken in the very turn in which the owner went, and is let go of by whoever took it.
      if (at !== -1) lock.queue.splice(at, 1)
      reject(signal?.reason)
    }
    lock.queue.push(waiter)
    try {
      mayWait?.(name, lock.holder)
      onWanted?.(lock.holder)
      signal?.addEventListener('abort', leave, { once: true })
      await promise
    } catch (error) {
      const at = lock.queue.indexOf(waiter)
      if (at !== -1) lock.queue.splice(at, 1)
      throw error
    } finally {
      signal?.removeEventListener('abort', leave)
    }
  }

  return {
    async acquire(names, options) {
      const taken: string[] = []
      const releaseAll = () => {
        for (const name of taken.splice(0).reverse()) release(name)
      }
      try {
        for (const name of [...new Set(names)].sort()) {
          await take(name, options)
          taken.push(name)
        }
        options.signal?.throwIfAborted()
      } catch (error) {
        releaseAll()
        throw error
      }
      return { [Symbol.dispose]: releaseAll }
    },
    isWanted: (owner) =>
      [...locks.values()].some(({ holder, queue }) => holder === owner && queue.length > 0),
    blockersOf: (owner) =>
      [...locks.values()].flatMap(({ holder, queue }) => {
        const at = queue.findIndex((waiter) => waiter.owner === owner)
        return at === -1 ? [] : [holder, ...queue.slice(0, at).map((ahead) => ahead.owner)]
      }),
    waiting: () => [...locks].flatMap(([name, { queue }]) => queue.map(({ owner }) => ({ owner, name }))),
  }
}
