import { MoorageError } from '../errors/index.ts'

/** Milliseconds, or a number with its unit: `'500ms'`, `'10s'`, `'2m'`, `'1h'`. */
export type Duration = number | string

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/**
 * Returns a duration in milliseconds.
 *
 * @param option - the name of the option, for the error
 * @throws MoorageError INVALID_OPTION
 */
export function milliseconds(duration: Duration, option: string): number {
  if (typeof duration === 'number') {
    if (Number.isFinite(duration) && duration >= 0) return duration
  } else {
    const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/.exec(duration.trim())
    if (match) return Number(match[1]) * (units[match[2] ?? 'ms'] ?? 1)
  }
  throw new MoorageError('INVALID_OPTION', {
    option,
    reason: `"${duration}" is not a duration: a number of milliseconds, or like 500ms, 10s, 2m, 1h`,
  })
}
