import type { MoorageError } from '../errors/index.ts'
import type { CheckSnapshot } from './health/index.ts'
import type { Holder } from './holder.ts'
import type { ScopedKey } from './scoped-key.ts'

/** `pending -> starting -> ready -> (grace <-> ready) -> stopping -> stopped`, or `failed`. */
export type StateName = 'pending' | 'starting' | 'ready' | 'grace' | 'stopping' | 'stopped' | 'failed'

/** A service at one moment. Times are milliseconds since the epoch. */
export interface ServiceSnapshot {
  readonly key: ScopedKey
  readonly label: string
  readonly hostname: string
  /** The driver's own description. */
  readonly describe: unknown
  readonly state: StateName
  /** The beginning of this state. */
  readonly since: number
  readonly startedAt: number | null
  /** The end of its grace, while it is in grace. */
  readonly stopsAt: number | null
  /** The holders of leases, then the binders, who wait for one. */
  readonly holders: Holder[]
  /** All aliases under which it was asked for, the first first. */
  readonly aliases: string[]
  /** Its address, while it runs. */
  readonly address: string | null
  /** `healthy`, `checking 6379/tcp`, `none`, or why not. */
  readonly health: string
  readonly checks: CheckSnapshot[]
  readonly exitCode: number | null
  /** The reason why it failed, or why it could not be signalled to stop. */
  readonly error: MoorageError | null
}
