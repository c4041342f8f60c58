import type { Clock } from '../clock.ts'

/** The time that a service without leases has left; disposing revokes it. */
export interface GraceTimer extends Disposable {
  /** The moment when it will be stopped, in milliseconds since the epoch. */
  readonly stopsAt: number
}

/** Begins a grace period of `ms` milliseconds. */
export function startGraceTimer(clock: Clock, ms: number, onOver: () => void): GraceTimer {
  const timer = clock.setTimeout(onOver, ms)
  return { stopsAt: clock.now() + ms, [Symbol.dispose]: () => timer[Symbol.dispose]() }
}
