import { MoorageError } from '../../errors/index.ts'

/**
 * Builds the error for output that did not arrive.
 *
 * @param missing - bytes; null when their number is not known
 * @param subject - the words that name what wrote it
 */
export function lostOutput(missing: number | null, subject: readonly string[]): MoorageError {
  return new MoorageError('OUTPUT_LOST', {
    what: `some of the output of ${subject.join(' ')}${missing === null ? '' : ` (${missing} bytes)`}`,
    reason: 'it is no longer kept',
  })
}
