import type { Flight } from '../../concurrency/index.ts'
import { asMoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { EngineContext } from '../context.ts'
import { storedLayers } from '../files/filesystem.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { RunRecord } from '../registry/run-records.ts'
import type { EvaluateExec, ExecResult } from './exec-requests.ts'
import { type FlightResult, type RunExec, runExec } from './run-exec.ts'

/** Progress that a flight reports to each of its callers, to late ones from the start: its run, once that exists. */
interface FlightProgress {
  readonly run: RunRecord
}

/**
 * Runs an exec exactly once for everyone who asks, or answers from the result store.
 * A run without bindings is shared by all networks; one with bindings within its own; a caller's own run with nobody.
 */
export async function evaluateExec(context: EngineContext, request: EvaluateExec): Promise<ExecResult> {
  const { network, caller, own, input, reads = false, onRun } = request
  const exec = own === undefined ? request.exec : { ...request.exec, noCache: true }
  // Before any service is thought of: a client whose result is there starts none.
  const stored = exec.noCache ? undefined : storedResult(context, exec)
  if (stored) {
    context.report.exec(exec, network, {
      state: 'cached',
      exitCode: stored.exitCode,
      age: Math.max(0, Date.now() - (stored.cachedAt ?? 0)),
    })
    return stored
  }
  const scope = exec.bindings.length > 0 ? network : '*'
  let joined: RunRecord | undefined
  let waiting: Disposable | undefined
  try {
    const result = await context.flights.join<FlightResult, FlightProgress>(
      `${scope}/${exec.digest}/${own ?? 'result'}`,
      (flight) => runAndTell(context, { exec, network, own, input }, flight),
      {
        signal: caller.signal,
        onProgress: ({ run }) => {
          joined = run
          run.row.callers += 1
          if (!reads) waiting = run.pace?.attach({ reads: false })
          onRun?.(run)
        },
      },
    )
    const release = result.layer.hold()
    return { ...result, cachedAt: undefined, release }
  } finally {
    waiting?.[Symbol.dispose]()
    if (joined) joined.row.callers -= 1
  }
}

/** Returns the stored result, with the layers below it, which are there since it was made on them. */
function storedResult(context: EngineContext, exec: PlannedExec): ExecResult | undefined {
  const result = context.store.results.get(exec.digest)
  if (result === undefined) return undefined
  const below = storedLayers(context, exec.input)
  if (below === undefined) return undefined
  return {
    exitCode: result.exitCode,
    layers: [result.layer, ...below],
    logs: result.logs,
    cachedAt: result.createdAt,
    release: async () => undefined,
  }
}

/** The flight's work: the run, with an event for each of its states. */
async function runAndTell(
  context: EngineContext,
  { exec, network, own, input }: Pick<RunExec, 'exec' | 'network' | 'own' | 'input'>,
  { signal, report }: Flight<FlightProgress>,
): Promise<FlightResult> {
  const tell = (what: Parameters<typeof context.report.exec>[2]) =>
    context.report.exec(exec, network, { ...what, ...withoutUndefined({ run: own }) })
  tell({ state: 'waiting' })
  try {
    const result = await runExec(context, {
      exec,
      network,
      own,
      input,
      signal,
      onRun: (run) => {
        tell({ state: 'running', ...withoutUndefined({ address: run.row.address ?? undefined }) })
        report({ run })
      },
    })
    tell({ state: 'done', exitCode: result.exitCode })
    return result
  } catch (error) {
    const { code, details, message } = asMoorageError(error)
    const exitCode = code === 'EXEC_FAILED' || code === 'OUT_OF_MEMORY' ? Number(details.exitCode) : undefined
    tell({ state: 'failed', detail: message, ...withoutUndefined({ exitCode }) })
    throw error
  }
}
