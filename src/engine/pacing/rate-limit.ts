/**
 * Lets things happen at most once in an interval, in the order in which they were asked for. A health check is
 * tried every 3 ms at first, and a connection costs this thread 0.3 ms: the checks of fifty services that start at
 * once would leave it no time for anything else. Those of a single service never wait.
 */
export class RateLimit {
  readonly #interval: number
  readonly #waiting = new Set<() => void>()
  #next = 0
  #timer: NodeJS.Timeout | undefined

  /** @param interval - in milliseconds */
  constructor(interval: number) {
    this.#interval = interval
  }

  /** Resolves when the next thing may happen, or when `signal` aborts. */
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

  /** Sets one timer for all: several would go off at the same time, in any order, on a thread that was busy. */
  #wait(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        const [first] = this.#waiting
        if (first === undefined) return
        // Makes up for timers that are a millisecond late, but not for the time in which the thread was busy.
        this.#next = Math.max(this.#next, performance.now() - this.#interval) + this.#interval
        first()
        this.#wait()
      },
      Math.max(0, this.#next - performance.now()),
    )
  }
}
