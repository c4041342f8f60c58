import type { HostEndpoints } from '../registry/host-endpoints.ts'
import type { CallerPlans } from './caller-plans.ts'
import type { CallerSignals } from './caller-signals.ts'
import type { Finder } from './find-service.ts'

/** The parts that calls share besides the context: each is made once, in create-engine.ts. */
export interface CallParts {
  readonly plans: CallerPlans
  readonly finder: Finder
  readonly callerSignals: CallerSignals
  /** Aborted when the engine closes. */
  readonly closing: AbortSignal
  readonly endpoints: HostEndpoints
}
