import { setTimeout } from 'node:timers/promises'

/**
 * Lets things happen no more often than every so many milliseconds, in the order in which they were asked for. A health
 * check is tried every 3 ms at first, and a connection costs this thread 0.3 ms: fifty services that start at once would
 * leave it no time for anything else. Alone, none of them waits.
 */
export class Pace {
  readonly #interval: number
  #next = 0

  /** @param interval - milliseconds from one to the next */
  constructor(interval: number) {
    this.#interval = interval
  }

  /** Resolves when it may happen, or when `signal` aborts. */
  async take(signal: AbortSignal): Promise<void> {
    const now = performance.now()
    const due = Math.max(now, this.#next)
    this.#next = due + this.#interval
    if (due > now) await setTimeout(due - now, undefined, { signal }).catch(() => undefined)
  }
}
