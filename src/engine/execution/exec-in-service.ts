import { rm } from 'node:fs/promises'
import { type ExecRequest, type ResultEvent, sumProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Caller } from '../caller.ts'
import type { EngineContext } from '../context.ts'
import { sendOutput } from '../registry/follow-run.ts'
import { ReaderPace } from '../registry/reader-pace.ts'
import type { RunRecord } from '../registry/run-records.ts'
import { inputOf, twoInputs } from './input.ts'

/**
 * Runs a command in the container of a run, besides its own, and sends its output as it comes. It ends with its caller.
 *
 * @throws MoorageError SERVICE_NOT_RUNNING, COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, RUNTIME_FAILED; the signal's
 *   reason
 */
export async function execInService(
  context: EngineContext,
  record: RunRecord,
  { args, stdin }: ExecRequest,
  caller: Caller,
): Promise<ResultEvent> {
  const { container } = record
  if (container === undefined || record.ended.aborted) throw notRunning(record)
  if (stdin !== undefined && caller.input !== undefined) throw twoInputs()
  const reason = sumProblem(args, record.exec.env)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: 'the command', reason })
  const logs = await context.store.temporary()
  try {
    const ended = new AbortController()
    const { logLimit } = context
    const pace = new ReaderPace({ limit: logLimit, directory: context.store.directory })
    // Ends the command when its output cannot be sent, as SIGPIPE would.
    const unsent = new AbortController()
    const running = container
      .exec(
        { args, logs, ...withoutUndefined({ stdin, logLimit }) },
        {
          signal: AbortSignal.any([caller.signal, unsent.signal]),
          pace,
          ...withoutUndefined({ input: inputOf(caller) }),
        },
      )
      .finally(() => ended.abort())
    // Waited for below; a failure must not count as unhandled until then.
    running.catch(() => undefined)
    const run = { run: `${record.id}-exec`, startedAt: Date.now() }
    const sent = sendOutput(caller, { directory: logs, ...run, args, ended: ended.signal, pace })
    pace.open()
    await sent.catch((error) => {
      unsent.abort(error)
      return running.catch(() => undefined).then(() => Promise.reject(error))
    })
    const { code } = await running
    pace.lost.throwIfAborted()
    caller.signal.throwIfAborted()
    return { type: 'result', value: code, exitCode: code }
  } finally {
    await rm(logs, { recursive: true, force: true })
  }
}

function notRunning({ row }: RunRecord): MoorageError {
  return new MoorageError('SERVICE_NOT_RUNNING', { service: row.id })
}
