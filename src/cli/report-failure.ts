import { asMoorageError, HealthError, type MoorageError } from '../errors/index.ts'
import { printable, type Terminal } from './terminal.ts'

/**
 * Tells of a failure: on stderr for people, as a document on stdout with `--json`.
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
    terminal.document({ error: error.toJSON() }, { line: true })
    return exitCodeOf(error)
  }
  if (error instanceof HealthError && error.log !== '') {
    for (const line of error.log.trimEnd().split('\n')) terminal.complain(`  | ${printable(line)}`)
  }
  const red = terminal.style('red', 'error:', process.stderr)
  terminal.complain(`${red} ${shown(error.message)}`)
  for (const cause of causesOf(error)) terminal.complain(`cause: ${shown(cause)}`)
  terminal.complain(`hint: ${shown(error.hint)}`)
  terminal.whisper(`code: ${error.code}\n${error.stack ?? ''}`)
  return exitCodeOf(error)
}

/** A tool's own words may be several lines. */
function shown(text: string): string {
  return text.trimEnd().split('\n').map(printable).join('\n  ')
}

/** The messages behind an error, each once: a cause whose words are in the sentence already tells nothing new. */
function causesOf(error: Error): string[] {
  const causes: string[] = []
  let told = error.message
  for (let cause = error.cause; cause !== undefined; cause = (cause as Error | null)?.cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    if (!told.includes(message)) causes.push(message)
    told += `\n${message}`
  }
  return causes
}
