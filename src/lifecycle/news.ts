import type { CheckState } from './health/index.ts'
import type { Holder } from './holder.ts'
import type { ScopedKey } from './scoped-key.ts'
import type { StateName } from './snapshot.ts'

/** The reason for the state that a service is in. */
export type Because =
  /** Somebody asked for it. */
  | 'wanted'
  /** The checks of the first binder have passed. */
  | 'healthy'
  /** Its last lease was released. */
  | 'unused'
  | 'grace-over'
  /** Nobody used it, and somebody waits for what it has. */
  | 'hurried'
  /** The last binder went away while it started. */
  | 'called-off'
  | 'not-healthy-in-time'
  /** Its process exited by itself. */
  | 'exited'
  | 'start-failed'
  | 'requested'
  | 'restart'
  | 'daemon-stopping'

/** One thing that happened to a service, for those who watch: logs, progress, metrics. */
export type ServiceNews =
  | {
      readonly kind: 'state'
      readonly from: StateName
      readonly to: StateName
      readonly because: Because
      /** The binder that wanted it, where that is the reason. */
      readonly by?: Holder
      /** The end of its grace, in milliseconds since the epoch. */
      readonly stopsAt?: number
      readonly address?: string
      readonly exitCode?: number
      /** The failure's sentence. */
      readonly error?: string
    }
  /** The start says in its own words what it is doing. */
  | { readonly kind: 'report'; readonly detail: string }
  | {
      readonly kind: 'lease'
      /** `ended`: the service was stopped on request; `lost`: it exited unasked, or failed. */
      readonly action: 'taken' | 'released' | 'ended' | 'lost'
      readonly holder: Holder
      readonly alias?: string
    }
  /** A check has passed, or has got another answer than before. */
  | {
      readonly kind: 'check'
      readonly name: string
      readonly state: CheckState
      readonly count: number
      readonly answer?: string
    }

/** The service that the news is about, and the time of it. */
export interface NewsOf {
  readonly key: ScopedKey
  readonly label: string
  /** The driver's own description. */
  readonly describe: unknown
  /** Milliseconds since the epoch. */
  readonly time: number
}
