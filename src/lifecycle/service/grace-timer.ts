import type { Clock } from '../clock.ts'

/** The time that a service without leases has left. */
export interface Grace extends Disposable {
  /** When it will be stopped, in milliseconds since the epoch. */
  readonly stopsAt: number
}

/** Begins a grace period; disposing revokes it. */
export function startGrace(clock: Clock, ms: number, onOver: () => void): Grace {
  const timer = clock.setTimeout(onOver, ms)
  return { stopsAt: clock.now() + ms, [Symbol.dispose]: () => timer[Symbol.dispose]() }
}
