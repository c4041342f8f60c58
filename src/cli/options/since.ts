import { milliseconds } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/**
 * Reads a moment, such as that of `--since`: a duration before now, or a time in RFC 3339.
 *
 * @returns milliseconds since the epoch
 * @throws MoorageError INVALID_OPTION, naming the option
 */
export function momentOf(option: string, text: string, now: number): number {
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return now - milliseconds(text, option)
  const time = Date.parse(text)
  if (Number.isFinite(time)) return time
  throw new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not a time in RFC 3339` })
}
