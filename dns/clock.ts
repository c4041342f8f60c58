/** Where deadlines get their time from, so that they can be tested without waiting. */
export interface Clock {
  /** Milliseconds that only ever grow. */
  now(): number
  /** Calls `fn` once, after `ms` milliseconds; disposing the handle calls it off. */
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
