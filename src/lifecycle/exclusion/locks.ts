import { Queue } from './queue.ts'

/** Locks by name, each of which one owner at a time may have: those of cache volumes. */
export interface Locks<Owner> {
  /**
   * Takes all of these, one after the other in the order of their names, so that two owners that want the same two
   * locks cannot block each other. Those that wait for a lock get it in the order of asking.
   *
   * @throws what `mayWait` throws; the abort reason of `signal`. Then the owner has none of them.
   */
  acquire(names: readonly string[], options: LockOptions<Owner>): Promise<Disposable>
  /** Returns true if somebody waits for a lock that this owner has. */
  isWanted(owner: Owner): boolean
  /** Lists those that must let go before this owner can go on: the owner of the lock, and those that wait before it. */
  blockersOf(owner: Owner): Owner[]
  /** Lists everybody that waits, with the lock's name. */
  waiting(): { owner: Owner; name: string }[]
}

export interface LockOptions<Owner> {
  owner: Owner
  signal?: AbortSignal
  /** Called each time the owner begins to wait; an error thrown here ends the wait before it has begun. */
  mayWait?: (name: string, blocker: Owner) => void
}

export interface LocksOptions<Owner> {
  /** Equal owners have equal ids. */
  idOf: (owner: Owner) => string
  /** Called when somebody waits for a lock that this owner has. */
  onWanted?: (owner: Owner) => void
}

interface Lock<Owner> {
  owner: Owner
  readonly queue: Queue<Owner>
}

export function createLocks<Owner>({ idOf, onWanted }: LocksOptions<Owner>): Locks<Owner> {
  const locks = new Map<string, Lock<Owner>>()
  const isSame = (one: Owner, other: Owner) => idOf(one) === idOf(other)

  const release = (name: string) => {
    const lock = locks.get(name)
    const next = lock?.queue.serve()
    if (lock === undefined || next === undefined) {
      locks.delete(name)
      return
    }
    lock.owner = next
    if (lock.queue.length > 0) onWanted?.(next)
  }

  const take = async (name: string, { owner, signal, mayWait }: LockOptions<Owner>): Promise<void> => {
    signal?.throwIfAborted()
    const lock = locks.get(name)
    if (lock === undefined) {
      locks.set(name, { owner, queue: new Queue() })
      return
    }
    await lock.queue.wait(owner, signal, () => {
      mayWait?.(name, lock.owner)
      onWanted?.(lock.owner)
    })
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
        const waiting = lock.queue.items
        const at = waiting.findIndex((waiter) => isSame(waiter, owner))
        return at === -1 ? [] : [lock.owner, ...waiting.slice(0, at)]
      }),
    waiting: () => [...locks].flatMap(([name, { queue }]) => queue.items.map((owner) => ({ owner, name }))),
  }
}
