import { styleText } from 'node:util'
import type { apiVersion as ApiVersion } from '../definition/index.ts'
import { writeData } from './standard-streams.ts'

export type Style = Parameters<typeof styleText>[0]

/** The value of the definition's `apiVersion`, without loading that module: `status` must start fast. */
const apiVersion: typeof ApiVersion = 'v1'

/** The output of a command: data on stdout, talk on stderr. */
export interface Terminal {
  /** True if the answer must be JSON. */
  readonly json: boolean
  /** True if nothing but errors is said on stderr. */
  readonly quiet: boolean
  readonly verbose: boolean
  /** Prints a line of data. Resolves when the reader has room for more. */
  print(line: string): Promise<void>
  /**
   * Prints a JSON document, with `line` on one line, as one of a stream; `apiVersion` is added. Resolves when the reader has
   * room for more: whoever prints many waits for each.
   */
  document(value: object, options?: { line?: boolean }): Promise<void>
  /** Says a line to people, beside the data. */
  talk(line: string): void
  /** Says a line to people who asked for more. */
  whisper(line: string): void
  /** Says a line even if `quiet`. */
  complain(line: string): void
  /** Colours a text, if the stream is a terminal and colours are not switched off. */
  style(style: Style, text: string, stream?: NodeJS.WriteStream): string
}

export function createTerminal(options: {
  json?: boolean
  quiet?: boolean
  verbose?: boolean
  color?: boolean
}): Terminal {
  const { json = false, quiet = false, verbose = false, color = true } = options
  const complain = (line: string) => {
    process.stderr.write(`${line}\n`)
  }
  return {
    json,
    quiet,
    verbose,
    print: (line) => writeData(process.stdout, `${line}\n`),
    document(value, { line = false } = {}) {
      const text = JSON.stringify({ apiVersion, ...(withTimes(value) as object) }, null, line ? 0 : 2)
      return writeData(process.stdout, `${text}\n`)
    },
    talk: (line) => {
      if (!quiet) complain(line)
    },
    whisper: (line) => {
      if (verbose) complain(line)
    },
    complain,
    // styleText itself looks at isTTY, NO_COLOR and FORCE_COLOR.
    style: (style, text, stream = process.stdout) => (color ? styleText(style, text, { stream }) : text),
  }
}

const timeFields = new Set(['time', 'since', 'startedAt', 'stopsAt', 'endedAt'])

/** Replaces times, which are milliseconds on the wire, by RFC 3339 in UTC. */
function withTimes(value: unknown, field = ''): unknown {
  if (typeof value === 'number' && timeFields.has(field)) return new Date(value).toISOString()
  if (Array.isArray(value)) return value.map((item) => withTimes(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withTimes(item, name)]))
}

/**
 * Makes a text from outside fit for one line of a terminal: control characters, which could move the cursor or hide
 * something, are spelled out.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern is about them
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
