import { MoorageError } from '../errors/index.ts'

/** Joins the last lines of a tool's standard error to one line. */
export function lastWords(stderr: string): string {
  const lines = stderr.split(/[\r\n]+/).map((line) => line.trim())
  return lines.filter(Boolean).slice(-3).join('; ') || 'it said nothing'
}

/** Makes the error for a tool that failed for a reason that its caller does not know. */
export function toolError(what: string, { code, stderr }: { code: number | null; stderr: string }): Error {
  return new Error(`${what}: ${code === null ? 'it was killed; ' : ''}${lastWords(stderr)}`)
}

/** The words of cp, umoci, apt; and those of GNU tar, which names no cause when only a part of a block was written. */
const fullDiskWords =
  /^.*(no space left on device|disk quota exceeded|enough free space|wrote only \d+ of \d+ bytes).*$/im

/**
 * Makes the error for a full disk, whichever tool found it full; undefined when its words say something else.
 *
 * @param what - what was being written: `the image redis:7`
 * @param path - the directory that it was written to
 */
export function fullDiskError(stderr: string, what: string, path: string): MoorageError | undefined {
  const words = fullDiskWords.exec(stderr)
  return words
    ? new MoorageError('DISK_FULL', { what, path }, { cause: new Error(words[0].trim()) })
    : undefined
}
