import type { Flights } from '../concurrency/index.ts'
import type { Images } from '../images/index.ts'
import type { Lease, Places, Services } from '../lifecycle/index.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/index.ts'
import type { EventLog } from './events/event-log.ts'
import type { EventReporter } from './events/event-reporter.ts'
import type { AcquireBindings, EvaluateExec, ExecResult } from './execution/exec-requests.ts'
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
   * Acquires leases on all services that something is bound to, started side by side. Throws only when every start has
   * settled, so that none is left behind; the leases that it got go into `releases` either way.
   */
  acquireBindings(request: AcquireBindings): Promise<Lease[]>
}

/** The parts of an engine that all its wings share: each is made once, in open-engine.ts. */
export interface EngineContext {
  readonly evaluator: Evaluator
  readonly store: Store
  readonly images: Images
  readonly runtime: Runtime
  readonly flights: Flights
  readonly services: Services
  readonly networks: Networks
  readonly records: RunRecords
  /** The events of everything that goes on. */
  readonly events: EventLog
  readonly report: EventReporter
  /** Work that takes this thread some milliseconds begins in a turn of its own. */
  readonly turns: EventLoopTurns
  /** Bounds the rate of the health checks of all services together. */
  readonly probing: RateLimit
  readonly published: PublishedIndex
  readonly volumes: VolumeLocks
  readonly waits: WaitGraph
  readonly hostnames: Hostnames
  /** Bounds the number of runs at the same time; services need no place. */
  readonly places: Places
  /** From SIGTERM to SIGKILL, in milliseconds, for a run that nobody wants any more. */
  readonly interruptTimeout: number
  /** The number of bytes that are kept of a run's output; the runtime's default if undefined. */
  readonly logLimit: number | undefined
  /** Takes work for which only the engine waits, before it closes; its failure is logged. */
  background(what: string, work: Promise<unknown>): void
  /** `log(level, message, fields)`; the daemon gives pino's. */
  readonly log: EngineLog
}

export type EngineLog = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>,
) => void
