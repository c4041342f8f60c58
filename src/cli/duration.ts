import { MoorageError } from '../errors.ts'

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * A duration of the command line: milliseconds, or a number with a unit (`250ms`, `10s`, `1.5m`, `2h`).
 *
 * @returns milliseconds
 * @throws MoorageError INVALID_OPTION, naming the option
 */
export function duration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text)
  if (match === null) {
    throw new MoorageError('INVALID_OPTION', {
      option,
      reason: `"${text}" is not a duration such as 500, 250ms, 10s, 5m or 1h`,
    })
  }
  return Math.round(Number(match[1]) * (units[match[2] ?? 'ms'] ?? 1))
}

/**
 * A moment: a duration before now, or a time in RFC 3339.
 *
 * @returns milliseconds since the epoch
 * @throws MoorageError INVALID_OPTION, naming the option
 */
export function moment(option: string, text: string, now: number): number {
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const time = Date.parse(text)
    if (Number.isFinite(time)) return time
    throw new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not a time in RFC 3339` })
  }
  return now - duration(option, text)
}
