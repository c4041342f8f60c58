import { Queue } from './queue.ts'

/** Bounds how many do something at the same time. */
export interface Places {
  /**
   * Takes a place, as soon as there is one; those that wait are served in the order of asking.
   *
   * @param onWait - called when no place is free, with the number of those that wait already
   * @throws the abort reason of `signal`
   */
  take(options?: { signal?: AbortSignal; onWait?: (ahead: number) => void }): Promise<Disposable>
  readonly taken: number
  readonly waiting: number
}

export function createPlaces(limit: number): Places {
  const queue = new Queue<object>()
  let taken = 0

  const place = (): Disposable => {
    let held = true
    return {
      [Symbol.dispose]() {
        if (!held) return
        held = false
        // Handed on, so that nobody who comes in between gets it.
        if (queue.serve() === undefined) taken -= 1
      },
    }
  }

  return {
    async take({ signal, onWait } = {}) {
      signal?.throwIfAborted()
      if (taken < limit) taken += 1
      else {
        const ahead = queue.length
        await queue.wait({}, signal, () => onWait?.(ahead))
      }
      return place()
    },
    get taken() {
      return taken
    },
    get waiting() {
      return queue.length
    },
  }
}
