/** Most services listen within a few milliseconds of their start, so the first checks come quickly. */
export const firstDelay = 2
const quickDelay = 3
const quickFor = 200
const factor = 1.5
const longestDelay = 1_000

/**
 * How long to wait after a failed attempt, in milliseconds: 3 ms steps at first (for latency, close steps beat an
 * early backoff), then each 1.5 times the one before, 1 s at most.
 */
export function nextDelay(elapsed: number, previous: number): number {
  if (elapsed < quickFor) return quickDelay
  return Math.min(Math.max(previous, quickDelay) * factor, longestDelay)
}
