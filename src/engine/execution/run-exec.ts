import { rename, rm } from 'node:fs/promises'
import { asMoorageError, MoorageError, moorageError } from '../../errors/index.ts'
import type { Lease } from '../../lifecycle/index.ts'
import { tailLog } from '../../logs/index.ts'
import type { Exit, RunningContainer } from '../../runtime/runtime.ts'
import type { Caller, EngineContext } from '../context.ts'
import { LayerHolders } from '../files/layer-holders.ts'
import { ancestorsOf } from '../plan/ancestors.ts'
import { lockedBy, servicesOf } from '../plan/lock-conflicts.ts'
import { outOfMemory } from '../plan/out-of-memory.ts'
import type { PlannedBinding, PlannedExec } from '../plan/planned.ts'
import type { RunRecord } from '../registry/run-records.ts'
import { runOwner } from '../registry/wait-graph.ts'
import { Releases } from '../release.ts'
import { acquireBindings } from './bindings.ts'
import { filesystemOf, storedLayers } from './filesystem.ts'
import { mountsOf } from './mounts.ts'
import { startContainer } from './start-container.ts'

/** How much of each stream an ExecError carries. */
const errorTail = 64 * 1024

/** From SIGTERM to SIGKILL for a run that nobody wants any more. */
const interruptTimeout = 2_000

/** The result of an exec vertex: its own layer above those it stands on, and its output. */
export interface ExecOutcome {
  readonly exitCode: number
  /** Directories of its filesystem, topmost first. */
  readonly layers: readonly string[]
  /** The directory of its log. */
  readonly logs: string
  /** When the answer is an earlier run's: when that was stored. */
  readonly cachedAt: number | undefined
  /** Lets go of layers that are kept for their users only. */
  release(): Promise<void>
}

export interface EvaluateExec {
  exec: PlannedExec
  network: string
  caller: Caller
  /** Told once the run exists, also when it was somebody else's. */
  onRun?: (record: RunRecord) => void
}

/** What a flight tells each of its callers, late ones from the start. */
type FlightProgress = { run: RunRecord }

/** What a flight hands to each of its callers. */
interface Flown {
  readonly exitCode: number
  readonly layers: readonly string[]
  readonly logs: string
  readonly layer: LayerHolders
}

/**
 * Runs an exec exactly once for everyone who asks, or answers from the result store.
 * A run without bindings is shared by all networks; one with bindings within its own.
 */
export async function evaluateExec(context: EngineContext, wanted: EvaluateExec): Promise<ExecOutcome> {
  const { exec, network, caller, onRun } = wanted
  // Before any service is thought of: a client whose result is there starts none.
  const stored = exec.noCache ? undefined : storedOutcome(context, exec)
  if (stored) {
    context.report.exec(exec, network, {
      state: 'cached',
      exitCode: stored.exitCode,
      age: Math.max(0, Date.now() - (stored.cachedAt ?? 0)),
    })
    return stored
  }
  const scope = exec.bindings.length > 0 ? network : '*'
  let known: RunRecord | undefined
  try {
    const flown = await context.flights.join<Flown, FlightProgress>(
      `${scope}/${exec.digest}/result`,
      (flight) => runOnce(context, exec, network, flight),
      {
        signal: caller.signal,
        onProgress: ({ run }) => {
          known = run
          known.row.callers += 1
          onRun?.(known)
        },
      },
    )
    const release = flown.layer.hold()
    return { ...flown, cachedAt: undefined, release }
  } finally {
    if (known) known.row.callers -= 1
  }
}

/** A finished success of an earlier time, with the layers below it, which are there since it was made on them. */
function storedOutcome(context: EngineContext, exec: PlannedExec): ExecOutcome | undefined {
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

interface Flying {
  signal: AbortSignal
  report(news: FlightProgress): void
}

async function runOnce(
  context: EngineContext,
  exec: PlannedExec,
  networkName: string,
  flying: Flying,
): Promise<Flown> {
  const tell = (what: Parameters<typeof context.report.exec>[2]) =>
    context.report.exec(exec, networkName, what)
  tell({ state: 'waiting' })
  try {
    const flown = await act(context, exec, networkName, {
      ...flying,
      report: (news) => {
        const { address } = news.run.row
        tell({ state: 'running', ...(address === null ? {} : { address }) })
        flying.report(news)
      },
    })
    tell({ state: 'done', exitCode: flown.exitCode })
    return flown
  } catch (error) {
    const { code, details, message } = asMoorageError(error)
    const exitCode = code === 'EXEC_FAILED' || code === 'OUT_OF_MEMORY' ? Number(details.exitCode) : undefined
    tell({ state: 'failed', detail: message, ...(exitCode === undefined ? {} : { exitCode }) })
    throw error
  }
}

async function act(
  context: EngineContext,
  exec: PlannedExec,
  networkName: string,
  { signal, report }: Flying,
): Promise<Flown> {
  const releases = new Releases()
  try {
    const { network, release } = await context.networks.use(networkName)
    releases.add('leave the network', release)
    // The run belongs to all who ask for it: it goes on when the first of them has gone.
    const shared: Caller = { signal, onEvent: () => undefined }
    const owner = runOwner(exec, networkName)
    const bind = (bindings: readonly PlannedBinding[]) =>
      acquireBindings(context, {
        bindings,
        network: networkName,
        holder: `run ${exec.label}`,
        caller: shared,
        releases,
      })
    // A chain of execs on one service holds it from its first step to its last, whatever the grace is. Otherwise
    // services wait until the client is about to run.
    const early = heldThroughout(exec)
    const leases = await bind(early)
    const made = { network: networkName, owner, caller: shared, releases }
    const below = await filesystemOf(context, exec.input, made)
    const mounts = await mountsOf(context, exec, made)
    leases.push(...(await bind(exec.bindings.filter((binding) => !early.includes(binding)))))
    const volumes = await context.volumes.acquire(exec, {
      owner,
      signal,
      onWait: (detail) => context.report.exec(exec, networkName, { state: 'waiting', detail }),
    })
    releases.add('let go of its volumes', () => volumes[Symbol.dispose]())
    // The last thing that is waited for: who has a place waits for nobody else.
    const place = await context.places.take({
      signal,
      onWait: (ahead) =>
        context.report.exec(exec, networkName, {
          state: 'waiting',
          detail: `waiting for one of ${context.places.taken} runs to end, behind ${ahead} others`,
        }),
    })
    releases.add('give up its place', () => place[Symbol.dispose]())
    const held = new Releases()
    releases.add('end the container', () => held.run())
    const started = await startContainer(context, {
      exec,
      kind: 'exec',
      network,
      lowers: below,
      mounts,
      volumes,
      signal,
      releases: held,
    })
    report({ run: started.record })
    const exit = await ended(started.container, leases, signal)
    if (!meets(exec.expect, exit.code)) throw await execError(exec, exit, started.record)
    return await keep(context, exec, {
      exitCode: exit.code,
      below,
      upper: started.upper,
      record: started.record,
      signal,
    })
  } finally {
    // The answer does not wait for the clean-up; the engine does, before it closes.
    context.background('clean up after a run', releases.run())
  }
}

/**
 * The services of an exec that something it is made of, or mounts, is made with as well. Not those that lock a volume
 * which something of that locks, too: that would wait for the service, and the service for this exec.
 */
function heldThroughout(exec: PlannedExec): PlannedBinding[] {
  if (exec.bindings.length === 0) return []
  const steps = ancestorsOf(exec)
  return exec.bindings.filter(({ service }) => {
    const shared = steps.some(({ bindings }) =>
      bindings.some((one) => one.service.exec.digest === service.exec.digest),
    )
    if (!shared) return false
    const own = [service.exec, ...servicesOf(service.exec)]
    const digests = new Set(own.map(({ digest }) => digest))
    const others = steps
      .flatMap((step) => [...(step.kind === 'exec' ? [step] : []), ...servicesOf(step)])
      .filter(({ digest }) => !digests.has(digest))
    const locked = new Set(own.flatMap(lockedBy))
    return !others.flatMap(lockedBy).some((volume) => locked.has(volume))
  })
}

/** Waits for the end; ends it when nobody wants it any more or a service that it is bound to is gone. */
async function ended(
  container: RunningContainer,
  leases: readonly Lease[],
  signal: AbortSignal,
): Promise<Exit> {
  let reason: unknown
  const lost = Promise.race(leases.map((lease) => lease.lost)).then(async (error) => {
    reason ??= error
    await container.signal('SIGKILL')
  })
  lost.catch(() => undefined)
  const interrupt = async () => {
    reason ??= signal.reason ?? new MoorageError('CANCELLED', { reason: 'nobody waits for it' })
    await container.signal('SIGTERM')
    const patience = setTimeout(
      () => void container.signal('SIGKILL').catch(() => undefined),
      interruptTimeout,
    )
    void container.exited.then(() => clearTimeout(patience))
  }
  const onAbort = () => void interrupt().catch(() => undefined)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    const exit = await container.exited
    if (reason !== undefined) throw reason
    return exit
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function meets(expect: PlannedExec['expect'], exitCode: number): boolean {
  if (expect === 'any') return true
  return expect === 'success' ? exitCode === 0 : expect.includes(exitCode)
}

async function execError(exec: PlannedExec, exit: Exit, record: RunRecord): Promise<MoorageError> {
  const tails = await tailLog(record.logs, errorTail)
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

/** Stores a success under its digest; with noCache its layer lives as long as somebody stands on it. */
async function keep(
  context: EngineContext,
  exec: PlannedExec,
  run: { exitCode: number; below: readonly string[]; upper: string; record: RunRecord; signal: AbortSignal },
): Promise<Flown> {
  const { exitCode, below, upper, record, signal } = run
  if (exec.noCache) {
    const kept = await context.store.temporary()
    await rename(upper, kept)
    const layer = new LayerHolders(() => rm(kept, { recursive: true, force: true }))
    layer.dropWhenUnused(signal)
    return { exitCode, layers: [kept, ...below], logs: record.logs, layer }
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
    layer: new LayerHolders(async () => undefined),
  }
}
