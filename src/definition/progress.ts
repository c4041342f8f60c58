/**
 * What goes on in a daemon, as events: one stream of them, which everybody sees the part of that they ask for. Told by
 * `kind`; failures are states like any other.
 */

/** What every event says. */
interface Told {
  type: 'progress'
  /** Each event of a daemon's life has the next number. */
  seq: number
  /** Milliseconds since the epoch. */
  time: number
  /** Whose it is: a service's or run's label, an image reference, or a URL. */
  id: string
  /** For people: the command, the image, the alias. */
  name: string
  /** Absent where something is shared by all networks: images, and runs without bindings. */
  network?: string
}

/** An image that is fetched or built; one that is here already is not worth an event. */
export interface ImageProgress extends Told {
  kind: 'image'
  state: 'running' | 'done' | 'failed'
  /** What is being done, or why it failed. */
  detail?: string
  /** While it is fetched: bytes that have come, of how many. */
  bytes?: { done: number; total: number }
}

/** A command, which runs once for all who ask. */
export interface ExecProgress extends Told {
  kind: 'exec'
  /** `waiting`: for what it stands on and for its services. `cached`: an earlier run's result is the answer. */
  state: 'waiting' | 'running' | 'done' | 'cached' | 'failed'
  /** What it waits for, or why it failed. */
  detail?: string
  exitCode?: number
  /** Of a cached result, in milliseconds. */
  age?: number
  /** Where it runs. */
  address?: string
}

/** A URL that is fetched; `id` is the URL. */
export interface HttpProgress extends Told {
  kind: 'http'
  state: 'running' | 'done' | 'failed'
  /** Why it failed. */
  detail?: string
}

export type ServiceState = 'pending' | 'starting' | 'ready' | 'grace' | 'stopping' | 'stopped' | 'failed'

/** Why a service is in its state. */
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

/** A service that has entered a state; with `detail`, what its start is doing. */
export interface ServiceProgress extends Told {
  kind: 'service'
  state: ServiceState
  /** The state before; absent where only the detail is new. */
  from?: ServiceState
  because?: ServiceReason
  /** Who wanted it: `run <label>`, `service <label>`, `session …`, `pin`. */
  by?: string
  detail?: string
  /** In grace: when it will stop. */
  stopsAt?: number
  address?: string
  exitCode?: number
  error?: string
}

/** A health check that has passed, or whose answer is another one than before. */
export interface CheckProgress extends Told {
  kind: 'check'
  /** `6379/tcp` */
  check: string
  state: 'waiting' | 'passing' | 'failed'
  /** How often it was tried. */
  count: number
  /** Its last failure: `refused`. */
  answer?: string
}

/** Somebody waits for the service `id`; told again every 10 s. */
export interface WaitProgress extends Told {
  kind: 'wait'
  state: 'waiting'
  holder: string
  alias?: string
  /** What for. */
  detail: string
}

/** Somebody holds the service `id` from now on, or no longer. */
export interface LeaseProgress extends Told {
  kind: 'lease'
  /** `ended`: with the service, on request. `lost`: with the service, unasked. */
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
  /** Which life of which daemon the numbers are of: they begin anew with the next. */
  log: string
  /** The oldest event that is kept; one more than `latest` when there is none. */
  oldest: number
  latest: number
  /** How many events after the one asked for are gone; null where that was one of another log. */
  missed: number | null
}

/** So many events were left out here, since they were not read fast enough. */
export interface MissedEvent {
  type: 'missed'
  count: number
}
