/** Things made ahead of need. Knows nothing of what they are. */

export interface Pool<T> {
  /** How many are ready. */
  readonly ready: number
  /** One that is ready, at once, or else the next that gets ready. */
  take(signal?: AbortSignal): Promise<T>
  /** Begins to fill; without it the first `take` does. */
  fill(): void
  /** Rejects who waits, with `reason`; resolves to what was ready or has become so, when nothing is being made. */
  close(reason: Error): Promise<T[]>
}

export interface PoolOptions<T> {
  /** How many are kept ready. */
  size: number
  make: () => Promise<T>
  /** Puts off the refilling, so that it does not delay what the taken one was taken for. */
  later?: (refill: () => void) => void
}

interface Waiter<T> {
  resolve: (made: T) => void
  reject: (reason: unknown) => void
}

export function createPool<T>({ size, make, later = setImmediate }: PoolOptions<T>): Pool<T> {
  const ready: T[] = []
  const waiting = new Set<Waiter<T>>()
  const making = new Set<Promise<void>>()
  let closed: Error | undefined
  let refilling = false

  const makeOne = (): void => {
    const one: Promise<void> = make()
      .then(
        (made) => {
          const [waiter] = waiting
          if (waiter === undefined) return void ready.push(made)
          waiting.delete(waiter)
          waiter.resolve(made)
        },
        // With nobody waiting the failure is nobody's: whoever takes next will try, and be told.
        (error) => {
          const [waiter] = waiting
          if (waiter === undefined) return true
          waiting.delete(waiter)
          waiter.reject(error)
          return true
        },
      )
      .then((failed) => {
        making.delete(one)
        if (!failed) refill()
      })
    making.add(one)
  }

  // Two at a time: the one in the kernel, the other in the firewall; and never a long queue before somebody who waits.
  const refill = (): void => {
    if (refilling || closed !== undefined || ready.length + making.size >= size) return
    refilling = true
    later(() => {
      refilling = false
      if (closed !== undefined) return
      while (making.size < 2 && ready.length + making.size < size) makeOne()
    })
  }

  return {
    get ready() {
      return ready.length
    },
    async take(signal) {
      signal?.throwIfAborted()
      if (closed !== undefined) throw closed
      const made = ready.shift()
      if (made !== undefined) {
        refill()
        return made
      }
      return new Promise<T>((resolve, reject) => {
        const abandon = () => {
          waiting.delete(waiter)
          reject(signal?.reason)
        }
        const settled = () => signal?.removeEventListener('abort', abandon)
        const waiter: Waiter<T> = {
          resolve: (taken) => {
            settled()
            resolve(taken)
          },
          reject: (reason) => {
            settled()
            reject(reason)
          },
        }
        signal?.addEventListener('abort', abandon, { once: true })
        waiting.add(waiter)
        while (making.size < waiting.size) makeOne()
      })
    },
    fill: refill,
    async close(reason) {
      closed = reason
      for (const { reject } of waiting) reject(reason)
      waiting.clear()
      while (making.size > 0) await Promise.all(making)
      return ready.splice(0)
    },
  }
}
