import type { ServiceCheck } from '../../lifecycle/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'

/** The Healthcheck of an image's config; durations are nanoseconds, and 0 or nothing means the default. */
interface Healthcheck {
  Test?: unknown
  Interval?: unknown
  Timeout?: unknown
  StartPeriod?: unknown
  StartInterval?: unknown
  Retries?: unknown
}

/** Docker's defaults, in milliseconds. */
const interval = 30_000
const timeout = 30_000
const retries = 3

/**
 * Turns an image's HEALTHCHECK into a check; undefined where it has none. It is tried as often as our own checks:
 * Docker's interval is meant for a running container, and would make a start wait for it. It fails for good when
 * Docker would say so: the interval times the retries after the start period.
 * https://docs.docker.com/reference/dockerfile/#healthcheck
 */
export function imageCheckOf(healthcheck: unknown): ServiceCheck | undefined {
  const { Test, Interval, Timeout, StartPeriod, StartInterval, Retries } = (healthcheck ?? {}) as Healthcheck
  const args = commandOf(Test)
  if (args === undefined) return undefined
  const count = typeof Retries === 'number' && Retries > 0 ? Retries : retries
  return {
    kind: 'exec',
    args,
    timing: withoutUndefined({
      timeout: ms(Timeout) ?? timeout,
      interval: ms(StartInterval),
      failsAfter: (ms(StartPeriod) ?? 0) + count * (ms(Interval) ?? interval),
    }),
  }
}

function commandOf(test: unknown): string[] | undefined {
  if (!Array.isArray(test) || !test.every((word) => typeof word === 'string')) return undefined
  const [kind, ...words] = test
  if (words.length === 0) return undefined
  if (kind === 'CMD') return words
  return kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...words] : undefined
}

function ms(nanoseconds: unknown): number | undefined {
  return typeof nanoseconds === 'number' && nanoseconds > 0 ? nanoseconds / 1e6 : undefined
}
