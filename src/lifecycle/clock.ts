/** Tells the lifecycle the time: a parameter, so that grace, deadlines and backoff can be tested without waiting. */
export interface Clock {
  /** Milliseconds since the epoch, for people: durations are measured by timers. */
  now(): number
  /** Calls `fn` once, after `ms` milliseconds; disposing the handle calls it off. */
  setTimeout(fn: () => void, ms: number): Disposable
}

/** Node fires a longer timer at once. */
const longestTimer = 2 ** 31 - 1

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout(fn, ms) {
    let timer: NodeJS.Timeout
    const arm = (left: number) => {
      timer =
        left > longestTimer ? setTimeout(() => arm(left - longestTimer), longestTimer) : setTimeout(fn, left)
    }
    arm(ms)
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}
