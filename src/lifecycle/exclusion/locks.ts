/** Things of which one owner at a time may have each: cache volumes that are locked. */
export interface Locks<Owner> {
  /**
   * Takes all of these, one after the other in the order of their names, so that two who want the same two cannot block
   * each other. Who waits for one is served in the order of asking.
   *
   * @throws what `mayWait` throws; the abort reason of `signal`. Then it has none of them.
   */
  acquire(names: readonly string[], options: LockOptions<Owner>): Promise<Disposable>
  /** Whether somebody waits for what this owner has. */
  isWanted(owner: Owner): boolean
  /** Those who must let go before this owner goes on: who has what it waits for, and who waited before it. */
  blockersOf(owner: Owner): Owner[]
  /** Everybody who waits, and what for. */
  waiting(): { owner: Owner; name: string }[]
}

export interface LockOptions<Owner> {
  owner: Owner
  signal?: AbortSignal
  /** Called each time it begins to wait; what it throws ends the wait before it has begun. */
  mayWait?: (name: string, blocker: Owner) => void
}

export interface LocksOptions<Owner> {
  /** Equal owners have equal ids. */
  idOf: (owner: Owner) => string
  /** Somebody waits for what this owner has. */
  onWanted?: (owner: Owner) => void
}

interface Lock<Owner> {
  owner: Owner
  readonly queue: QueuedOwner<Owner>[]
}

interface QueuedOwner<Owner> {
  readonly owner: Owner
  take(): void
}

export function createLocks<Owner>({ idOf, onWanted }: LocksOptions<Owner>): Locks<Owner> {
  const locks = new Map<string, Lock<Owner>>()
  const isSame = (one: Owner, other: Owner) => idOf(one) === idOf(other)

  const release = (name: string) => {
    const lock = locks.get(name)
    const next = lock?.queue.shift()
    if (lock === undefined || next === undefined) {
      locks.delete(name)
      return
    }
    lock.owner = next.owner
    next.take()
    if (lock.queue.length > 0) onWanted?.(next.owner)
  }

  const take = async (name: string, { owner, signal, mayWait }: LockOptions<Owner>): Promise<void> => {
    signal?.throwIfAborted()
    const lock = locks.get(name)
    if (lock === undefined) {
      locks.set(name, { owner, queue: [] })
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: QueuedOwner<Owner> = { owner, take: resolve }
    const leave = () => {
      const at = lock.queue.indexOf(waiter)
      // Not there any more: it was taken in the very turn in which the owner went, and is let go of by whoever took it.
      if (at !== -1) lock.queue.splice(at, 1)
      reject(signal?.reason)
    }
    lock.queue.push(waiter)
    try {
      mayWait?.(name, lock.owner)
      onWanted?.(lock.owner)
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
      [...locks.values()].some((lock) => isSame(lock.owner, owner) && lock.queue.length > 0),
    blockersOf: (owner) =>
      [...locks.values()].flatMap((lock) => {
        const at = lock.queue.findIndex((waiter) => isSame(waiter.owner, owner))
        return at === -1 ? [] : [lock.owner, ...lock.queue.slice(0, at).map((ahead) => ahead.owner)]
      }),
    waiting: () => [...locks].flatMap(([name, { queue }]) => queue.map(({ owner }) => ({ owner, name }))),
  }
}
