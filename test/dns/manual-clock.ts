import type { Clock } from '../../dns/index.ts'

interface Timer {
  readonly at: number
  readonly fn: () => void
}

/** A clock that stands still until the test moves it. */
export class ManualClock implements Clock {
  #now = 0
  readonly #timers = new Set<Timer>()

  now(): number {
    return this.#now
  }

  setTimeout(fn: () => void, ms: number): Disposable {
    const timer = { at: this.#now + ms, fn }
    this.#timers.add(timer)
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) }
  }

  /** Lets time pass, and runs the timers that fall due, in their order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [due] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (due === undefined) break
      this.#timers.delete(due)
      this.#now = due.at
      due.fn()
    }
    this.#now = end
  }
}
