import { asMoorageError, HealthError, type MoorageError } from '../errors/index.ts'
import { printable, type Terminal } from './terminal.ts'

/**
 * Reports a failure: on stderr for people, as a document on stdout with `--json`.
 *
 * @returns the exit code
 */
export function reportFailure(
  thrown: unknown,
  terminal: Terminal,
  exitCodeOf: (error: MoorageError) => number = (error) => error.exitStatus,
): number {
  const error = asMoorageError(thrown)
  if (terminal.json) {
    void terminal.document({ error: error.toJSON() }, { line: true })
    return exitCodeOf(error)
  }
  if (error instanceof HealthError && error.log !== '') {
    for (const line of error.log.trimEnd().split('\n')) terminal.complain(`  | ${printable(line)}`)
  }
  const red = terminal.style('red', 'error:', process.stderr)
  terminal.complain(`${red} ${printableLines(error.sentence)}`)
  for (const cause of causeMessages(error)) terminal.complain(`cause: ${printableLines(cause)}`)
  terminal.complain(`hint: ${printableLines(error.hint)}`)
  terminal.whisper(`code: ${error.code}\n${error.stack ?? ''}`)
  return exitCodeOf(error)
}

/** Makes a text printable; the words of a tool may be several lines. */
function printableLines(text: string): string {
  return text.trimEnd().split('\n').map(printable).join('\n  ')
}

/** Returns the messages of an error's causes, without those whose words the messages before contain. */
function causeMessages(error: MoorageError): string[] {
  const causes: string[] = []
  let text = error.sentence
  for (let cause = error.cause; cause !== undefined; cause = (cause as Error | null)?.cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    if (!text.includes(message)) causes.push(message)
    text += `\n${message}`
  }
  return causes
}
