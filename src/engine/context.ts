import type { Flights } from '../concurrency/index.ts'
import type { Images } from '../images/index.ts'
import type { Lease, Places, Services } from '../lifecycle/index.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/index.ts'
import type { EventLog } from './events/event-log.ts'
import type { EventReporter } from './events/event-reporter.ts'
import type { AcquireBindings, EvaluateExec, ExecResult } from './execution/evaluation.ts'
import type { Networks } from './networks/networks.ts'
import type { EventLoopTurns } from './pacing/event-loop-turns.ts'
import type { RateLimit } from './pacing/rate-limit.ts'
import type { Hostnames } from './registry/hostnames.ts'
import type { PublishedIndex } from './registry/published-ports.ts'
import type { RunRecords } from './registry/run-records.ts'
import type { VolumeLocks } from './registry/volume-locks.ts'
import type { WaitGraph } from './registry/wait-graph.ts'

/**
 * The recursion of evaluation: an exec stands on the result of another, and is bound to services, which are execs. The
 * files that make filesystems and acquire services get it from the context, so that they need not import what imports
 * them.
 */
export interface Evaluator {
  /** Runs an exec exactly once for everyone who asks, or answers from the result store. */
  evaluateExec(request: EvaluateExec): Promise<ExecResult>
  /**
   * Leases on all services that something is bound to, started side by side. An error is thrown only when every start
   * has settled, so that none is left behind; the leases that were had go into `releases` either way.
   */
  acquireBindings(request: AcquireBindings): Promise<Lease[]>
}

/** What the engine's parts share: each is made once, in open-engine.ts. */
export interface EngineContext {
  readonly evaluator: Evaluator
  readonly store: Store
  readonly images: Images
  readonly runtime: Runtime
  readonly flights: Flights
  readonly services: Services
  readonly networks: Networks
  readonly records: RunRecords
  /** What goes on, for everybody who wants to know. */
  readonly events: EventLog
  readonly report: EventReporter
  /** What takes this thread some milliseconds begins in a turn of its own. */
  readonly turns: EventLoopTurns
  /** Of health checks, of all services together. */
  readonly probing: RateLimit
  readonly published: PublishedIndex
  readonly volumes: VolumeLocks
  readonly waits: WaitGraph
  readonly hostnames: Hostnames
  /** Of runs that go on at the same time; services need none. */
  readonly places: Places
  /** From SIGTERM to SIGKILL, in milliseconds, for a run that nobody wants any more. */
  readonly interruptTimeout: number
  /** How many bytes of a run's output are kept; the runtime's default if not said. */
  readonly logLimit: number | undefined
  /** Work that nobody waits for, but the engine before it closes; its failure is logged. */
  background(what: string, work: Promise<unknown>): void
  /** `log(level, message, fields)`; pino in the daemon. */
  readonly log: EngineLog
}

export type EngineLog = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>,
) => void
