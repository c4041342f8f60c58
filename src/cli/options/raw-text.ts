import { readFileSync } from 'node:fs'
import { MoorageError } from '../../errors/index.ts'

/** What Node puts in the place of bytes that are not UTF-8: then /proc tells whether it was there from the start. */
const replacement = '\uFFFD'

/**
 * Refuses arguments that are not UTF-8: Node has replaced such bytes, and the container would get others than were given.
 *
 * @param args - the last arguments of this process
 * @throws MoorageError INVALID_OPTION, naming the option or the argument
 */
export function checkArgumentBytes(args: readonly string[]): void {
  if (!args.some((argument) => argument.includes(replacement))) return
  const raw = stringsOf('/proc/self/cmdline').slice(-args.length)
  for (const [index, bytes] of raw.entries()) {
    if (isUtf8(bytes)) continue
    throw notUtf8(nameOf(args[index - 1], args[index] ?? ''))
  }
}

/** Refuses a variable of this process whose value is not UTF-8. @throws MoorageError INVALID_OPTION, naming the variable */
export function checkVariableBytes(option: string, name: string, value: string): void {
  if (!value.includes(replacement)) return
  const begin = Buffer.from(`${name}=`)
  const raw = stringsOf('/proc/self/environ').find((bytes) => bytes.subarray(0, begin.length).equals(begin))
  if (raw !== undefined && !isUtf8(raw)) throw notUtf8(`${option} ${name}`)
}

/** Names an argument: by its option, and up to the `=` that a value follows. */
function nameOf(before: string | undefined, argument: string): string {
  const equals = argument.indexOf('=')
  const name = equals > 0 ? argument.slice(0, equals) : `"${argument}"`
  if (argument.startsWith('-') && equals > 0) return name
  return before?.startsWith('-') ? `${before} ${name}` : `argument ${name}`
}

function notUtf8(option: string): MoorageError {
  return new MoorageError('INVALID_OPTION', {
    option,
    reason:
      'it is not UTF-8, and no other bytes can be passed on here; pass it as a file or as standard input (-i)',
  })
}

function stringsOf(path: string): Buffer[] {
  const bytes = readFileSync(path)
  const strings: Buffer[] = []
  for (let begin = 0; begin < bytes.length; ) {
    const end = bytes.indexOf(0, begin)
    strings.push(bytes.subarray(begin, end === -1 ? bytes.length : end))
    begin = end === -1 ? bytes.length : end + 1
  }
  return strings
}

function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString()).equals(bytes)
}
