import { MoorageError, moorageError } from '../../errors/index.ts'
import { Escalation, type Lease, systemClock } from '../../lifecycle/index.ts'
import { keepStreams, lastBytes } from '../../logs/index.ts'
import type { ContainerExit, InputStream } from '../../runtime/runtime.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { EngineContext } from '../context.ts'
import { keepForHolders, type LayerHolders, storedLayerHolders } from '../files/layer-holders.ts'
import { notExecutable, outOfMemory } from '../plan/ended-by-kernel.ts'
import { heldThroughout } from '../plan/lock-conflicts.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { ReaderPace } from '../registry/reader-pace.ts'
import type { RunRecord } from '../registry/run-records.ts'
import { runHolder } from '../registry/wait-graph.ts'
import { Releases } from '../release.ts'
import { outputLimit } from './exec-output.ts'
import { prepareContainer } from './prepare-container.ts'
import { type StartedContainer, startContainer } from './start-container.ts'

/** The most bytes of each stream that an ExecError carries. */
const errorTail = 64 * 1024

/** What a run hands to each of its callers. */
export interface FlightResult {
  readonly exitCode: number
  readonly layers: readonly string[]
  readonly logs: string
  /** Its own layer, which each caller holds for as long as it uses the result. */
  readonly layer: LayerHolders
}

export interface RunExec {
  exec: PlannedExec
  network: string
  /** Names a run that belongs to one caller alone. */
  own?: string | undefined
  /** Its standard input, if that is a stream. */
  input?: InputStream | undefined
  /** Aborted when nobody wants the result any more. */
  signal: AbortSignal
  /** Called once the container has been started. */
  onRun: (record: RunRecord) => void
}

/**
 * Runs an exec: prepares its container, starts it, waits for its end, and stores the result.
 *
 * @throws MoorageError EXEC_FAILED, OUT_OF_MEMORY, DISK_FULL when its output cannot be written, and what preparing or starting the container throws; the signal's
 *   reason; what a service that it is bound to ended with
 */
export async function runExec(
  context: EngineContext,
  { exec, network, own, input, signal, onRun }: RunExec,
): Promise<FlightResult> {
  const releases = new Releases()
  const tellWait = (detail: string) =>
    context.report.exec(exec, network, { state: 'waiting', detail, ...withoutUndefined({ run: own }) })
  try {
    const prepared = await prepareContainer(context, {
      exec,
      network,
      holder: runHolder(exec, network, own),
      // A chain of execs on one service holds it from its first step to its last, whatever the grace is. Otherwise
      // services wait until the client is about to run.
      heldThroughout: heldThroughout(exec),
      signal,
      onWait: tellWait,
      releases,
    })
    // The last thing that is waited for: who has a place waits for nobody else.
    const place = await context.places.take({
      signal,
      onWait: (ahead) =>
        tellWait(`waiting for one of ${context.places.taken} runs to end, behind ${ahead} others`),
    })
    releases.add('give up its place', () => place[Symbol.dispose]())
    const started = await startContainer(context, {
      exec,
      kind: 'exec',
      ...prepared,
      input,
      signal,
      releases,
    })
    onRun(started.record)
    const { pace } = started.record
    let keeping: Promise<void> | undefined
    // All who have asked so far are attached. Most runs write less than is kept, and never come to this.
    pace?.open(() => {
      keeping = keepBeginnings(context, started.record, pace)
    })
    const exit = await exitOf(context, started, prepared.leases, signal)
    await keeping
    pace?.lost.throwIfAborted()
    if (exit.refused !== undefined) throw notExecutable(exec, exit.refused)
    if (!meets(exec.expect, exit.code)) throw await execError(exec, exit, started.record)
    return await keepResult(context, exec, {
      exitCode: exit.code,
      below: prepared.lowers,
      upper: started.upper,
      record: started.record,
      signal,
    })
  } finally {
    // The answer does not wait for the clean-up; the engine does, before it closes.
    context.background('clean up after a run', releases.run())
  }
}

/** Keeps the beginning of each stream of a run that writes more than is kept: `stdout()` needs one of them whole. */
async function keepBeginnings(context: EngineContext, record: RunRecord, pace: ReaderPace): Promise<void> {
  using reader = pace.attachOwn()
  try {
    const { logs, ended } = record
    await keepStreams(logs, { limit: outputLimit, ended, reached: (offset) => reader.reached(offset) })
  } catch (error) {
    // Whoever asks for a stream then learns that it is not kept.
    context.log('warn', 'the beginning of an output is not kept', { run: record.id, error: String(error) })
  }
}

/**
 * Waits for a container's end. It is ended when nobody wants it any more, and killed when a service that it is bound to
 * is gone.
 *
 * @throws what it was ended for
 */
async function exitOf(
  { interruptTimeout, log }: EngineContext,
  { container, record }: StartedContainer,
  leases: readonly Lease[],
  signal: AbortSignal,
): Promise<ContainerExit> {
  let reason: unknown
  using escalation = new Escalation({
    clock: systemClock,
    signal: (name) => container.signal(name),
    stopSignal: 'SIGTERM',
    stopTimeout: interruptTimeout,
    onTrouble: (error) => log('warn', 'a run could not be signalled', { error: String(error) }),
  })
  for (const { lost } of leases) {
    void lost.then((error) => {
      reason ??= error
      escalation.kill()
    })
  }
  const interrupt = () => {
    record.cancelled ||= reason === undefined
    reason ??= signal.reason ?? new MoorageError('CANCELLED', { reason: 'nobody waits for it' })
    escalation.ask()
  }
  if (signal.aborted) interrupt()
  else signal.addEventListener('abort', interrupt, { once: true })
  try {
    const exit = await container.exited
    if (reason !== undefined) throw reason
    return exit
  } finally {
    signal.removeEventListener('abort', interrupt)
  }
}

function meets(expect: PlannedExec['expect'], exitCode: number): boolean {
  if (expect === 'any') return true
  return expect === 'success' ? exitCode === 0 : expect.includes(exitCode)
}

async function execError(exec: PlannedExec, exit: ContainerExit, record: RunRecord): Promise<MoorageError> {
  const tails = await lastBytes(record.logs, errorTail)
  const [stdout, stderr] = [tails.stdout.toString(), tails.stderr.toString()]
  const { code: exitCode } = exit
  if (exit.outOfMemory) return outOfMemory(exec, { exitCode, stdout, stderr })
  return moorageError('EXEC_FAILED', {
    command: exec.args.join(' '),
    args: exec.args,
    exitCode,
    stdout,
    stderr,
  })
}

/** Stores a success under its digest; with noCache its layer lives only as long as somebody uses it. */
async function keepResult(
  context: EngineContext,
  exec: PlannedExec,
  run: { exitCode: number; below: readonly string[]; upper: string; record: RunRecord; signal: AbortSignal },
): Promise<FlightResult> {
  const { exitCode, below, upper, record, signal } = run
  if (exec.noCache) {
    const { layer, holders } = await keepForHolders(context.store, upper, signal)
    return { exitCode, layers: [layer, ...below], logs: record.logs, layer: holders }
  }
  const stored = await context.store.results.adopt({
    digest: exec.digest,
    upper,
    logs: record.logs,
    exitCode,
  })
  record.logs = stored.logs
  record.stored = true
  return {
    exitCode,
    layers: [stored.layer, ...below],
    logs: stored.logs,
    layer: storedLayerHolders(),
  }
}
