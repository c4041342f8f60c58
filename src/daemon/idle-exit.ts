/** How often it is looked whether anything goes on. */
const interval = 250

/**
 * Calls `leave` once nothing has gone on for `patience` milliseconds.
 * It looks instead of being told: what keeps a daemon busy is known in many places, and each would have to tell.
 */
export function watchIdleness(patience: number, busy: () => boolean, leave: () => void): Disposable {
  let idleSince = performance.now()
  const timer = setInterval(() => {
    if (busy()) idleSince = performance.now()
    else if (performance.now() - idleSince >= patience) leave()
  }, interval)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
