/**
 * The events of a daemon. There is one stream of them, of which each caller sees the part that it asks for. `kind`
 * tells them apart; failures are states like any other.
 */

/** The fields that every event has. */
interface ProgressBase {
  type: 'progress'
  /** Each event of a daemon's life has the next number. */
  seq: number
  /** Milliseconds since the epoch. */
  time: number
  /** The subject: the label of a service or a run, an image reference, or a URL. */
  id: string
  /** The subject for people: the command, the image, the alias. */
  name: string
  /** Absent where all networks share the subject: images, and runs without bindings. */
  network?: string
}

/** An image that is fetched or built. There is no event for one that is stored already. */
export interface ImageProgress extends ProgressBase {
  kind: 'image'
  state: 'running' | 'done' | 'failed'
  /** What is being done, or why it failed. */
  detail?: string
  /** While it is fetched: the bytes that have come, and their number in all. */
  bytes?: { done: number; total: number }
}

/** A command, which is run once for all callers. */
export interface ExecProgress extends ProgressBase {
  kind: 'exec'
  /** `waiting`: for its filesystem and its services. `cached`: the answer is that of an earlier run. */
  state: 'waiting' | 'running' | 'done' | 'cached' | 'failed'
  /** What it waits for, or why it failed. */
  detail?: string
  exitCode?: number
  /** Age of a cached result, in milliseconds. */
  age?: number
  /** Its address in the network. */
  address?: string
  /** Set for a run that belongs to one caller alone: tells it from other runs of the same command. */
  run?: string
}

/** A URL that is fetched; `id` is the URL. */
export interface HttpProgress extends ProgressBase {
  kind: 'http'
  state: 'running' | 'done' | 'failed'
  /** Why it failed. */
  detail?: string
}

export type ServiceState = 'pending' | 'starting' | 'ready' | 'grace' | 'stopping' | 'stopped' | 'failed'

/** The reason for which a service entered its state. */
export type ServiceReason =
  | 'wanted'
  | 'healthy'
  | 'unused'
  | 'grace-over'
  | 'hurried'
  | 'called-off'
  | 'not-healthy-in-time'
  | 'exited'
  | 'start-failed'
  | 'requested'
  | 'restart'
  | 'daemon-stopping'

/** A service that has entered a state; with `detail`, the present step of its start. */
export interface ServiceProgress extends ProgressBase {
  kind: 'service'
  state: ServiceState
  /** The state before; absent where only the detail is new. */
  from?: ServiceState
  because?: ServiceReason
  /** The holder that wanted it: `run <label>`, `service <label>`, `session …`, `pin`. */
  by?: string
  detail?: string
  /** In grace: the time at which it will be stopped. */
  stopsAt?: number
  address?: string
  exitCode?: number
  error?: string
}

/** A health check that has passed, or whose answer differs from the one before. */
export interface CheckProgress extends ProgressBase {
  kind: 'check'
  /** `6379/tcp` */
  check: string
  state: 'waiting' | 'passing' | 'failed'
  /** Number of attempts. */
  count: number
  /** The answer of its last failure: `refused`. */
  answer?: string
}

/** A holder waits for the service `id`; sent again every 10 s. */
export interface WaitProgress extends ProgressBase {
  kind: 'wait'
  state: 'waiting'
  holder: string
  alias?: string
  /** What the holder waits for: `its start`. */
  detail: string
}

/** A holder has taken or lost a lease on the service `id`. */
export interface LeaseProgress extends ProgressBase {
  kind: 'lease'
  /** `ended`: the service was stopped on request. `lost`: it ended for another reason. */
  state: 'taken' | 'released' | 'ended' | 'lost'
  holder: string
  alias?: string
}

export type ProgressEvent =
  | ImageProgress
  | ExecProgress
  | HttpProgress
  | ServiceProgress
  | CheckProgress
  | WaitProgress
  | LeaseProgress

/** The first line of `GET events`. */
export interface EventsEvent {
  type: 'events'
  /** Identifies this life of this daemon: the numbers begin anew with the next. */
  log: string
  /** The number of the oldest event that is kept; one more than `latest` when there is none. */
  oldest: number
  latest: number
  /** Number of events after the requested one that are gone; null if that number was of another log. */
  missed: number | null
}

/** Events that were left out here, since they were not read fast enough. */
export interface MissedEvent {
  type: 'missed'
  count: number
}
