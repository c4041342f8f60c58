import type { Clock } from '../../src/lifecycle/index.ts'

interface Timer {
  readonly at: number
  readonly fn: () => void
}

/** A clock that stands still until it is told to go on, and lets everything settle between two timers. */
export class VirtualClock implements Clock {
  #now = 1_000_000
  /** In the order in which they were armed, which decides between those due at the same moment. */
  readonly #timers = new Set<Timer>()

  now(): number {
    return this.#now
  }

  setTimeout(fn: () => void, ms: number): Disposable {
    const timer = { at: this.#now + Math.max(0, ms), fn }
    this.#timers.add(timer)
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) }
  }

  /** The number of timers that are armed. */
  get armed(): number {
    return this.#timers.size
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settled()
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) {
      this.#now = next.at
      this.#timers.delete(next)
      next.fn()
      await settled()
    }
    this.#now = end
  }

  #next(): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) if (next === undefined || timer.at < next.at) next = timer
    return next
  }
}

/** Resolves when all promises that can settle by themselves have. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
