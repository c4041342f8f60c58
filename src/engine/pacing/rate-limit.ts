/**
 * Lets things happen no more often than every so many milliseconds, in the order in which they were asked for. A health
 * check is tried every 3 ms at first, and a connection costs this thread 0.3 ms: fifty services that start at once would
 * leave it no time for anything else. Alone, none of them waits.
 */
export class RateLimit {
  readonly #interval: number
  readonly #waiting = new Set<() => void>()
  #next = 0
  #timer: NodeJS.Timeout | undefined

  /** @param interval - milliseconds from one to the next */
  constructor(interval: number) {
    this.#interval = interval
  }

  /** Resolves when it may happen, or when `signal` aborts. */
  async take(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const now = performance.now()
    if (this.#waiting.size === 0 && now >= this.#next) {
      this.#next = now + this.#interval
      return
    }
    await new Promise<void>((resolve) => {
      const go = () => {
        this.#waiting.delete(go)
        signal.removeEventListener('abort', go)
        resolve()
      }
      signal.addEventListener('abort', go)
      this.#waiting.add(go)
      this.#wait()
    })
  }

  /** One timer for all: on a thread that was busy several would go off at once, and in any order. */
  #wait(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        const [first] = this.#waiting
        if (first === undefined) return
        // That timers are late by a millisecond is made up for; what a thread missed while it was busy is not.
        this.#next = Math.max(this.#next, performance.now() - this.#interval) + this.#interval
        first()
        this.#wait()
      },
      Math.max(0, this.#next - performance.now()),
    )
  }
}
