import type { ServiceCheck } from './check.ts'

/** Most services listen within a few milliseconds of their start, so the first checks come quickly. */
const firstDelay = 2
const quickDelay = 3
const quickFor = 200
/** An exec check starts a process, so it comes neither so early nor so often. */
const firstExecDelay = 100
const factor = 1.5
const longestDelay = 1_000

/** Returns the delay before the first attempt, in milliseconds. */
export function delayBefore({ kind }: ServiceCheck): number {
  return kind === 'exec' ? firstExecDelay : firstDelay
}

/**
 * Returns the delay after a failed attempt, in milliseconds: 3 ms steps at first (for latency, close steps beat an
 * early backoff), then each 1.5 times the one before, 1 s at most. A check that has an interval keeps to that.
 */
export function delayAfter(check: ServiceCheck, elapsed: number, previous: number): number {
  const { interval } = check.timing ?? {}
  if (interval !== undefined) return interval
  // Each of its attempts is a wait itself.
  if (check.kind === 'log') return quickDelay
  if (check.kind !== 'exec' && elapsed < quickFor) return quickDelay
  return Math.min(Math.max(previous, quickDelay) * factor, longestDelay)
}

const timeouts: Record<ServiceCheck['kind'], number> = {
  tcp: 1_000,
  udp: 1_000,
  http: 5_000,
  exec: 10_000,
  log: 1_000,
}

/** Returns the longest that one attempt may take, in milliseconds. */
export function timeoutOf({ kind, timing }: ServiceCheck): number {
  return timing?.timeout ?? timeouts[kind]
}
