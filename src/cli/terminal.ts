import { styleText } from 'node:util'
import type { apiVersion as ApiVersion } from '../definition/index.ts'

export type Style = Parameters<typeof styleText>[0]

/** As the definition has it; that is not loaded for a word, since `status` is to start fast. */
const apiVersion: typeof ApiVersion = 'v1'

/** Where a command writes: data on stdout, talk on stderr. */
export interface Terminal {
  /** The answer is to be JSON. */
  readonly json: boolean
  /** No talk but errors. */
  readonly quiet: boolean
  readonly verbose: boolean
  /** A line of data. */
  print(line: string): void
  /** One JSON document, or with `line` one of a stream of them; `apiVersion` is added. */
  document(value: object, options?: { line?: boolean }): void
  /** A line for people, beside the data. */
  talk(line: string): void
  /** A line for people who asked for more. */
  whisper(line: string): void
  /** A line that not even `quiet` leaves out. */
  complain(line: string): void
  /** Colours, where the stream is a terminal and nobody said no. */
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
    print: (line) => {
      process.stdout.write(`${line}\n`)
    },
    document(value, { line = false } = {}) {
      const text = JSON.stringify({ apiVersion, ...(withTimes(value) as object) }, null, line ? 0 : 2)
      process.stdout.write(`${text}\n`)
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

/** On the wire times are milliseconds; in documents for others, RFC 3339 in UTC. */
function withTimes(value: unknown, field = ''): unknown {
  if (typeof value === 'number' && timeFields.has(field)) return new Date(value).toISOString()
  if (Array.isArray(value)) return value.map((item) => withTimes(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withTimes(item, name)]))
}

/**
 * A text from outside on one line of a terminal: control characters, which could move the cursor or hide something,
 * are written out.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
