import type { HostEndpoints } from '../registry/host-endpoints.ts'
import type { Plans } from './caller-plans.ts'
import type { Interests } from './caller-signals.ts'
import type { Finder } from './find-service.ts'

/** What the calls share, besides the context: each is made once, in create-engine.ts. */
export interface CallParts {
  readonly plans: Plans
  readonly finder: Finder
  /** Of callers: an evaluation ends when the engine closes, too. */
  readonly interests: Interests
  /** Aborted when the engine closes. */
  readonly closing: AbortSignal
  readonly endpoints: HostEndpoints
}
