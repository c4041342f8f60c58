import type { Holder } from '../../lifecycle/index.ts'
import type { InputStream } from '../../runtime/runtime.ts'
import type { Caller } from '../caller.ts'
import type { PlannedBinding, PlannedExec } from '../plan/planned.ts'
import type { RunRecord } from '../registry/run-records.ts'
import type { Releases } from '../release.ts'

/** The result of an exec vertex: its own layer above those it stands on, and its output. */
export interface ExecResult {
  readonly exitCode: number
  /** Directories of its filesystem, topmost first. */
  readonly layers: readonly string[]
  /** The directory of its log. */
  readonly logs: string
  /** The moment when the result was stored, if it is an earlier run's; milliseconds since the epoch. */
  readonly cachedAt: number | undefined
  /** Lets go of layers that are kept for their users only. */
  release(): Promise<void>
}

/** An exec whose result somebody wants. */
export interface EvaluateExec {
  exec: PlannedExec
  network: string
  caller: Caller
  /** Names a run that belongs to this caller alone: it is neither shared nor kept. */
  own?: string | undefined
  /** True for a caller that reads the output of the run from its start; others only wait for its end. */
  reads?: boolean
  /** Its standard input as a stream, of a run of its own only. */
  input?: InputStream
  /** Called once the run exists, also when somebody else began it. */
  onRun?: (record: RunRecord) => void
}

/** Bindings whose services are wanted, and the holder of their leases. */
export interface AcquireBindings {
  bindings: readonly PlannedBinding[]
  network: string
  holder: Holder
  caller: Caller
  releases: Releases
}
