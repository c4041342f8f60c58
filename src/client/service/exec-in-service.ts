import type { ExecRequest } from '../../definition/index.ts'
import { MoorageError, moorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { checkArguments, checkText } from '../graph/check-arguments.ts'
import { type CallContext, type Session, signalOf } from '../session/session.ts'
import { apiPath } from '../wire/api-path.ts'
import { eventsOf } from '../wire/events.ts'

export interface ServiceExecOptions extends CallContext {
  /** The whole standard input of the process. */
  stdin?: string
  /** Exit codes that are no error. @defaultValue `'success'`: 0 */
  expect?: 'success' | 'any' | readonly number[]
}

/** The exit code and the output of a command. */
export interface ServiceExecResult {
  exitCode: number
  stdout: string
  stderr: string
}

/** The most bytes that are collected of each stream. */
const outputLimit = 16 * 1024 * 1024

/** Runs a command in a running service, and waits for its end. */
export async function execInService(
  session: Session,
  label: string,
  args: readonly string[],
  { stdin, expect = 'success', ...context }: ServiceExecOptions,
): Promise<ServiceExecResult> {
  checkArguments('the command', args)
  if (stdin !== undefined) checkText('stdin', stdin)
  const body: ExecRequest = withoutUndefined({ args: [...args], stdin })
  const path = apiPath(`services/${label}/exec`, { network: session.network })
  const parts = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  const sizes = { stdout: 0, stderr: 0 }
  const events = session.transport.output('POST', path, body, { signal: signalOf(session, context) })
  for await (const event of eventsOf(events)) {
    if (event.type === 'output') {
      const { stream, data } = event
      sizes[stream] += data.length
      if (sizes[stream] > outputLimit) {
        throw new MoorageError('OUTPUT_TOO_LARGE', {
          stream,
          command: args.join(' '),
          size: `more than ${outputLimit}`,
          limit: outputLimit,
        })
      }
      parts[stream].push(Buffer.from(data))
    } else if (event.type === 'result') {
      const { exitCode } = event
      const [stdout, stderr] = [
        Buffer.concat(parts.stdout).toString(),
        Buffer.concat(parts.stderr).toString(),
      ]
      if (meets(expect, exitCode)) return { exitCode, stdout, stderr }
      throw moorageError('EXEC_FAILED', { command: args.join(' '), args, exitCode, stdout, stderr })
    }
  }
  throw new MoorageError('DAEMON_UNREACHABLE', {
    host: session.transport.host,
    reason: 'it went away before the command had ended',
  })
}

function meets(expect: NonNullable<ServiceExecOptions['expect']>, exitCode: number): boolean {
  if (expect === 'any') return true
  return expect === 'success' ? exitCode === 0 : expect.includes(exitCode)
}
