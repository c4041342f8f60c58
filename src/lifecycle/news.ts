import type { CheckState } from './health/index.ts'
import type { Holder } from './holder.ts'
import type { ScopedKey } from './scoped-key.ts'
import type { StateName } from './snapshot.ts'

/** Why a service is in the state that it is in. */
export type Because =
  /** Somebody asked for it. */
  | 'wanted'
  /** The checks of the first who wait have passed. */
  | 'healthy'
  /** Its last lease was released. */
  | 'unused'
  | 'grace-over'
  /** Nobody used it, and somebody waits for what it has. */
  | 'hurried'
  /** While it started, the last who waited went away. */
  | 'called-off'
  | 'not-healthy-in-time'
  /** By itself. */
  | 'exited'
  | 'start-failed'
  | 'requested'
  | 'restart'
  | 'daemon-stopping'

/**
 * What happens to a service, as it happens, for those who watch: logs, progress, metrics. The state machine tells it
 * and does not care who listens.
 */
export type ServiceNews =
  | {
      readonly kind: 'state'
      readonly from: StateName
      readonly to: StateName
      readonly because: Because
      /** Who wanted it, where that is why. */
      readonly by?: Holder
      /** In grace: when it will be stopped, in milliseconds since the epoch. */
      readonly stopsAt?: number
      readonly address?: string
      readonly exitCode?: number
      /** The failure's sentence. */
      readonly error?: string
    }
  /** What its start is doing, in its own words. */
  | { readonly kind: 'report'; readonly detail: string }
  | {
      readonly kind: 'lease'
      /** `ended`: with the service, on request; `lost`: with the service, unasked. */
      readonly action: 'taken' | 'released' | 'ended' | 'lost'
      readonly holder: Holder
      readonly alias?: string
    }
  /** A check has passed, or its answer is another one than before. */
  | {
      readonly kind: 'check'
      readonly name: string
      readonly state: CheckState
      readonly count: number
      readonly answer?: string
    }

/** Whose news it is, and when it was: milliseconds since the epoch. */
export interface NewsOf {
  readonly key: ScopedKey
  readonly label: string
  /** What its driver describes it by. */
  readonly describe: unknown
  readonly time: number
}
