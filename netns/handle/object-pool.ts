/** Keeps things ready that were made ahead of need, whatever they are. */

export interface ObjectPool<T> {
  /** How many are ready. */
  readonly ready: number
  /** Takes an object that is ready, at once, or else the next that gets ready. */
  take(signal?: AbortSignal): Promise<T>
  /** Begins to fill; without it the first `take` does. */
  fill(): void
  /** Rejects those who wait, with `reason`; resolves to the objects that are ready once no more are being made. */
  close(reason: Error): Promise<T[]>
}

export interface ObjectPoolOptions<T> {
  /** How many are kept ready. */
  size: number
  make: () => Promise<T>
  /** Puts off the refilling, so that it does not delay the work that an object was taken for. */
  later?: (refill: () => void) => void
}

interface Waiter<T> {
  resolve: (object: T) => void
  reject: (reason: unknown) => void
}

export function createObjectPool<T>({
  size,
  make,
  later = setImmediate,
}: ObjectPoolOptions<T>): ObjectPool<T> {
  const ready: T[] = []
  const waiting = new Set<Waiter<T>>()
  const making = new Set<Promise<void>>()
  let closed: Error | undefined
  let refilling = false

  const makeOne = (): void => {
    const attempt: Promise<void> = make()
      .then(
        (object) => {
          const [waiter] = waiting
          if (waiter === undefined) return void ready.push(object)
          waiting.delete(waiter)
          waiter.resolve(object)
        },
        // If nobody waits, drop the error: the next `take()` tries again and reports its own.
        (error) => {
          const [waiter] = waiting
          if (waiter === undefined) return true
          waiting.delete(waiter)
          waiter.reject(error)
          return true
        },
      )
      .then((failed) => {
        making.delete(attempt)
        if (!failed) refill()
      })
    making.add(attempt)
  }

  // Two at a time, one in the kernel and one in the firewall: so nobody waits behind a long queue.
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
      const object = ready.shift()
      if (object !== undefined) {
        refill()
        return object
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
