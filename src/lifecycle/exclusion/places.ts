/** A bound on how many do something at the same time. */
export interface Places {
  /**
   * A place, as soon as there is one; those who wait are served in the order of asking.
   *
   * @param onWait - called when there is none free, with how many wait before it
   * @throws the abort reason of `signal`
   */
  take(options?: { signal?: AbortSignal; onWait?: (ahead: number) => void }): Promise<Disposable>
  readonly taken: number
  readonly waiting: number
}

export function createPlaces(limit: number): Places {
  const queue: (() => void)[] = []
  let taken = 0

  const place = (): Disposable => {
    let held = true
    return {
      [Symbol.dispose]() {
        if (!held) return
        held = false
        // Handed on, so that nobody who comes in between gets it.
        const next = queue.shift()
        if (next) next()
        else taken -= 1
      },
    }
  }

  return {
    async take({ signal, onWait } = {}) {
      signal?.throwIfAborted()
      if (taken < limit) {
        taken += 1
        return place()
      }
      const { promise, resolve, reject } = Promise.withResolvers<Disposable>()
      const serve = () => resolve(place())
      const leave = () => {
        const at = queue.indexOf(serve)
        if (at === -1) return
        queue.splice(at, 1)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', leave, { once: true })
      onWait?.(queue.length)
      queue.push(serve)
      try {
        return await promise
      } finally {
        signal?.removeEventListener('abort', leave)
      }
    },
    get taken() {
      return taken
    },
    get waiting() {
      return queue.length
    },
  }
}
