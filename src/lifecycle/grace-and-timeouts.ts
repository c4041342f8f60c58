import type { AcquireOptions } from './service/binder.ts'

/**
 * Default of the time that a service runs on after its last lease, in milliseconds. Never stretched: it is no limit.
 */
const defaultGrace = 10_000

/** Default time limits, in milliseconds, on a machine of ordinary speed. */
const timeouts: Timeouts = { start: 60_000, stop: 10_000, interrupt: 2_000, drain: 30_000 }

/** How long it takes at most, in milliseconds, unless somebody asks for something else. */
export interface Timeouts {
  /** From asking for a service to a lease on it. */
  readonly start: number
  /** From a service's stop signal to SIGKILL. */
  readonly stop: number
  /** From SIGTERM to SIGKILL, for a run that nobody wants any more. */
  readonly interrupt: number
  /** From the beginning of a drain to SIGKILL for every service that is left. */
  readonly drain: number
}

/** Returns the default time limits, all of them stretched: for slow machines. */
export function defaultTimeouts(scale = 1): Timeouts {
  const { start, stop, interrupt, drain } = timeouts
  return { start: start * scale, stop: stop * scale, interrupt: interrupt * scale, drain: drain * scale }
}

export interface GraceAndTimeoutsOptions {
  /** The daemon's own default, in milliseconds. */
  grace?: number | undefined
  timeouts: Timeouts
}

/**
 * How long one service is kept and waited for, and when SIGKILL follows its stop signal. What a binder asks for beats
 * the daemon's defaults. Where binders differ, the longest counts, and the first's stop signal; it is so also when the
 * one who asked for the longest has gone.
 */
export class GraceAndTimeouts {
  readonly #defaultGrace: number
  readonly #defaults: Timeouts
  #asked = false
  grace = 0
  startTimeout = 0
  stopTimeout = 0
  stopSignal = 'SIGTERM'

  constructor({ grace = defaultGrace, timeouts }: GraceAndTimeoutsOptions) {
    this.#defaultGrace = grace
    this.#defaults = timeouts
  }

  /** Takes in what one more binder asks for. */
  add({ grace, startTimeout, stopTimeout, stopSignal }: Partial<AcquireOptions>): void {
    if (!this.#asked && stopSignal !== undefined) this.stopSignal = stopSignal
    this.#asked = true
    this.grace = Math.max(this.grace, grace ?? this.#defaultGrace)
    this.startTimeout = Math.max(this.startTimeout, startTimeout ?? this.#defaults.start)
    this.stopTimeout = Math.max(this.stopTimeout, stopTimeout ?? this.#defaults.stop)
  }
}
