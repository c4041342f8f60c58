/** The source of time for deadlines, which can thus be tested without waiting. */
export interface Clock {
  /** The time in milliseconds, which never goes backwards. */
  now(): number
  /** Calls `fn` once, after `ms` milliseconds; disposing the handle cancels it. */
  setTimeout(fn: () => void, ms: number): Disposable
}

/** The time of this machine; its timers keep no process alive by themselves. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout(fn, ms) {
    const timer = setTimeout(fn, ms).unref()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}
