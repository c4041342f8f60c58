import type { ErrorDetails } from './sentence.ts'

/** The most characters of a line of output that a message quotes. */
const longestLine = 300

/**
 * Makes the message of an error that a user's program gets: a test runner prints the message alone, so it says which
 * service of which image failed, its last words, and what to do next.
 */
export function completeMessage(sentence: string, details: ErrorDetails, hint: string): string {
  const { service, name, image, log, stderr, stdout } = details
  const lines = [sentence]
  if (typeof name === 'string' && typeof service === 'string')
    lines.push(
      `service: ${name} (${service.slice(0, 12)})${image ? `, of ${cut(String(image), longestLine)}` : ''}`,
    )
  const words = [log, stderr, stdout].map(lastLine).find((line) => line !== undefined)
  if (words !== undefined) lines.push(`its last line: ${words}`)
  lines.push(`hint: ${hint}`)
  return lines.join('\n  ')
}

/** Returns the last line of a text that is not blank, without the sequences that colour a terminal. */
export function lastLine(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is left out.
  const plain = text.replace(/\x1b\[[\d;?]*[ -/]*[@-~]/g, '').replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '')
  const line = plain
    .split(/[\r\n]+/)
    .findLast((each) => each.trim() !== '')
    ?.trim()
  return line === undefined ? undefined : cut(line, longestLine)
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}
