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
  /** What its driver describes it by. */
  readonly describe: unknown
  readonly state: StateName
  /** When this state began. */
  readonly since: number
  readonly startedAt: number | null
  /** In grace: when it will be stopped. */
  readonly stopsAt: number | null
  /** Who keeps it alive: those with a lease and those who wait for one. */
  readonly holders: Holder[]
  /** All aliases that it was asked for by, the first first. */
  readonly aliases: string[]
  /** Where it answers, while it runs. */
  readonly address: string | null
  /** `healthy`, `checking 6379/tcp`, `none`, or why not. */
  readonly health: string
  readonly checks: CheckSnapshot[]
  readonly exitCode: number | null
  /** Why it failed, or what stands in the way of its end. */
  readonly error: MoorageError | null
}
