/** Polling interval, in milliseconds. */
const interval = 250

/**
 * Calls `leave` when nothing went on for `patience` milliseconds. It polls, because what keeps a daemon busy is known in
 * many places and each would have to report.
 */
export function watchIdleness(patience: number, busy: () => boolean, leave: () => void): Disposable {
  let idleSince = performance.now()
  const timer = setInterval(() => {
    if (busy()) idleSince = performance.now()
    else if (performance.now() - idleSince >= patience) leave()
  }, interval)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
