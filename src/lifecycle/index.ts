/**
 * Services that live as long as somebody wants them, and turns at what only one or a few may have. Knows nothing of
 * containers: what it starts, probes and stops is handed to it, and so is time.
 */

export { type Clock, systemClock } from './clock.ts'
export type { ServiceDriver, ServiceExit, ServiceProcess, StartContext } from './driver.ts'
export { Escalation, type EscalationOptions } from './escalation.ts'
export { circleThrough } from './exclusion/circle.ts'
export { createLocks, type LockOptions, type Locks, type LocksOptions } from './exclusion/locks.ts'
export { createPlaces, type Places } from './exclusion/places.ts'
export { defaultTimeouts, type Timeouts } from './grace-and-timeouts.ts'
export type {
  AttemptTiming,
  CheckAnswer,
  CheckSnapshot,
  CheckState,
  ExecCheck,
  HttpCheck,
  LogCheck,
  ServiceCheck,
  TcpCheck,
  UdpCheck,
} from './health/index.ts'
export { type ContainerHolder, type Holder, holderText, isContainer } from './holder.ts'
export type { Lease } from './lease.ts'
export type { Because, NewsOf, ServiceNews } from './news.ts'
export { type ScopedKey, scopedKey } from './scoped-key.ts'
export type { AcquireOptions, StartProgress } from './service/binder.ts'
export { createServices, type Services, type ServicesOptions } from './services.ts'
export type { ServiceSnapshot, StateName } from './snapshot.ts'
export type { DrainOptions } from './stopping/drain.ts'
