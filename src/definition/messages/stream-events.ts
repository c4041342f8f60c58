import type { WireError } from '../../errors/index.ts'
import type { EventsEvent, MissedEvent, ProgressEvent } from './progress-events.ts'
import type { PortForward } from './requests.ts'
import type { ServiceRow } from './status.ts'

/** The events of a daemon's streams. Times are milliseconds since the epoch, durations milliseconds. */

export type StreamEvent =
  | ProgressEvent
  | EventsEvent
  | MissedEvent
  | RunEvent
  | LogEvent
  | DataEvent
  | GapEvent
  | ResultEvent
  | ErrorEvent
  | HeartbeatEvent
  | SessionEvent
  | InputUnwantedEvent
  | PortsEvent

/** The run whose output follows. A service has another run after each start. */
export interface RunEvent {
  type: 'run'
  /** The name of the run, which no other run of any daemon has. */
  run: string
  startedAt: number
  /** The offset in the run's log at which the output that follows begins. */
  offset: number
}

/** A piece of a run's output, in base64. */
export interface LogEvent {
  type: 'log'
  stream: 'stdout' | 'stderr'
  time: number
  data: string
  /** `RUN@OFFSET` of the end of the piece: `logs?after=` goes on from there. */
  position?: string
}

/** Output that is no longer kept. */
export interface GapEvent {
  type: 'gap'
  /** Number of bytes of the log that are missing; null when it is not known. */
  missing: number | null
  /** `RUN@OFFSET` of the end of the gap, if it is known. */
  position?: string
}

/** A piece of the content of a file or a directory, in base64. */
export interface DataEvent {
  type: 'data'
  data: string
}

export interface ResultEvent {
  type: 'result'
  value: string | number
  exitCode: number
  /** For a file: its permissions, the bits of chmod(2). */
  permissions?: number
  /** Set when the answer is that of an earlier run: its age in milliseconds. */
  cachedAge?: number
  /** Set by `POST services`. */
  service?: ServiceRow
  /** Set by `POST up`, and by `POST services` with `publish`: the ports, and where they lead. */
  ports?: PortForward[]
  /** Set by `POST services` within a session: `DELETE session/{id}/leases/{lease}` releases it. */
  lease?: string
}

/** Sent before a run with `publish` begins: the ports, and where they lead. */
export interface PortsEvent {
  type: 'ports'
  ports: PortForward[]
}

/** The command is not going to read the rest of its standard input, which came as a stream. */
export interface InputUnwantedEvent {
  type: 'inputUnwanted'
}

export interface ErrorEvent {
  type: 'error'
  error: WireError
}

/** Sent when nothing else was sent for a while, so that a dead peer is noticed. */
export interface HeartbeatEvent {
  type: 'heartbeat'
}

export interface SessionEvent {
  type: 'session'
  id: string
}
