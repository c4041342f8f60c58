import type { WireError } from '../errors/index.ts'
import type { EventsEvent, MissedEvent, ProgressEvent, ServiceState } from './messages/progress-events.ts'
import type { Definition, ExposedPort, Protocol, ServiceOptions } from './operations.ts'

export type * from './messages/progress-events.ts'

/**
 * What travels between client and daemon besides the definition: requests, stream events and status rows.
 * Times are milliseconds since the epoch, durations milliseconds.
 */

export const apiVersion = 'v1'

/** What is wanted of an exec. */
export type ExecOutput = 'stdout' | 'stderr' | 'exitCode' | 'sync'

/**
 * What is wanted of a file or a directory: of a file its `size`, or its `contents` as `data` events; of a directory its
 * names (`entries`, each ended by a NUL byte) or all that is in it (`tar`) as `data` events, or the digest of its
 * content; of both `sync`, that it be there.
 */
export type PartOutput = 'size' | 'contents' | 'entries' | 'tar' | 'contentDigest' | 'sync'

export type Output = ExecOutput | PartOutput

/** `POST evaluate`; answered by a stream of `StreamEvent`, the last of them `result` or `error`. */
export interface EvaluateRequest {
  definition: Definition
  output: Output
  network?: string
  /** Send the run's output as `log` events too. */
  logs?: boolean
  /** Ports of the host that lead to the container while it runs. */
  publish?: PortForward[]
  /** Of `contents`: refuse a file of more bytes than this, before any is sent. */
  limit?: number
}

/** `POST services`: start one. Without `detach` its lease hangs on the session in the header `moorage-session`. */
export interface StartRequest {
  definition: Definition
  service: ServiceOptions
  network?: string
  /** Keep it until somebody stops it. */
  detach?: boolean
  /** With `detach`: let go of it after so many milliseconds. */
  for?: number
  /** Ports of the host that lead to it for as long as it is held. */
  publish?: PortForward[]
}

/** `POST services/{id}/exec`: a command in a running service; answered like `evaluate`. */
export interface ExecRequest {
  args: string[]
  stdin?: string
}

/** `POST resolve`: what a definition is called; starts nothing. */
export interface ResolveRequest {
  definition: Definition
  service?: ServiceOptions
  network?: string
  want: 'digest' | 'hostname' | 'endpoint' | 'ports'
  port?: number
  scheme?: string
  from?: 'container' | 'host'
}

/** A port of the host that leads to one of a service. */
export interface PortForward {
  /** 0: any that is free. */
  host: number
  service: number
  /** Of the host that it listens on; 127.0.0.1 unless said. */
  address?: string
  /** @defaultValue `tcp` */
  protocol?: Protocol
}

/**
 * `POST up`: start a service, and let ports of the host lead to it for as long as the request is open. Its `result`
 * comes once they do; the stream then stays open.
 */
export interface UpRequest {
  definition: Definition
  service: ServiceOptions
  network?: string
  /** Each port that the service declares, at any free one, unless said. */
  ports?: PortForward[]
}

export interface ResolveAnswer {
  /** The digest (`sha256:…`), the hostname or the endpoint. */
  value: string
  ports?: ExposedPort[]
}

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
  | PortsEvent

/** What follows is the output of this run; a service has another run after each start. */
export interface RunEvent {
  type: 'run'
  /** This run's alone, in any life of any daemon. */
  run: string
  startedAt: number
  /** Where in the run's log what follows begins. */
  offset: number
}

/** A piece of a run's output, as its bytes in base64. */
export interface LogEvent {
  type: 'log'
  stream: 'stdout' | 'stderr'
  time: number
  data: string
  /** `RUN@OFFSET`, behind it: `logs?after=` goes on from there. */
  position?: string
}

/** Output that is no longer kept. */
export interface GapEvent {
  type: 'gap'
  /** How many bytes of the log; null when nobody knows any more. */
  missing: number | null
  /** Behind it, if that is known. */
  position?: string
}

/** A piece of what a file or a directory holds, as its bytes in base64. */
export interface DataEvent {
  type: 'data'
  data: string
}

export interface ResultEvent {
  type: 'result'
  value: string | number
  exitCode: number
  /** Of a file: its permissions, the bits of chmod(2). */
  permissions?: number
  /** Set when the answer is of an earlier run: how long ago, in milliseconds. */
  cachedAge?: number
  /** Set by `POST services`. */
  service?: ServiceRow
  /** Set by `POST up`, and by `POST services` with `publish`: which port leads where. */
  ports?: PortForward[]
  /** Set by `POST services` within a session: `DELETE session/{id}/leases/{lease}` lets go of it. */
  lease?: string
}

/** Sent before a run with `publish` begins: which port leads where. */
export interface PortsEvent {
  type: 'ports'
  ports: PortForward[]
}

export interface ErrorEvent {
  type: 'error'
  error: WireError
}

/** Sent when nothing else was for a while, so that a dead peer is noticed. */
export interface HeartbeatEvent {
  type: 'heartbeat'
}

export interface SessionEvent {
  type: 'session'
  id: string
}

export interface ServiceRow {
  /** The first 12 characters of the label. */
  id: string
  label: string
  /** Custom hostname, else the first alias, else the image's base name. */
  name: string
  hostname: string
  network: string
  state: ServiceState
  /** `healthy`, `checking 6379/tcp`, `none`, or why not. */
  health: string
  /** Who holds it: labels of clients, `session …`, `pin`. */
  clients: string[]
  aliases: string[]
  address: string | null
  /** For people: `6379/tcp`; and `127.0.0.1:49153->6379/tcp` for each of `hostPorts`. */
  ports: string[]
  /** Ports of the host that lead to it at the moment. */
  hostPorts: PortForward[]
  image: string
  args: string[]
  /** When this state began. */
  since: number
  startedAt: number | null
  /** In grace: when it will stop. */
  stopsAt: number | null
  exitCode: number | null
  error: string | null
}

/** A client container: a run that is going on or has ended. */
export interface RunRow {
  id: string
  label: string
  network: string
  state: 'waiting' | 'running' | 'done' | 'failed'
  image: string
  args: string[]
  address: string | null
  /** alias -> hostname */
  bindings: Record<string, string>
  callers: number
  /** `hostPorts` for people: `127.0.0.1:49153->8080/tcp`. */
  ports: string[]
  /** Ports of the host that lead to it at the moment. */
  hostPorts: PortForward[]
  startedAt: number
  endedAt: number | null
  exitCode: number | null
}

/** `PUT networks/{name}`: what a network is made with; the daemon's own settings where nothing is said. */
export interface NetworkSettings {
  /** A CIDR; a free one is chosen otherwise. */
  subnet?: string
  /** IPv6 beside IPv4: a prefix, or any. */
  ipv6?: boolean | string
  /** Who reaches whom in it: all, or only those who are bound. */
  isolation?: 'network' | 'bindings'
}

export interface NetworkRow {
  name: string
  subnet: string
  gateway: string
  /** Null where it has no IPv6. */
  subnet6: string | null
  gateway6: string | null
  isolation: 'network' | 'bindings'
  mtu: number
  namespace: string
  /** Why the host has no route to it, if it has none. */
  hostRoute: 'yes' | string
  /** Whether it stays until somebody removes it; else it goes after its last use. */
  kept: boolean
  sandboxes: number
  pooled: number
  /** What is wrong with it at the moment. */
  problems: string[]
}

export interface Problem {
  code: string
  message: string
  hint: string
}

export interface Status {
  apiVersion: typeof apiVersion
  version: string
  pid: number
  startedAt: number
  instance: string
  socket: string
  stateDirectory: string
  runtime: string
  networks: NetworkRow[]
  services: ServiceRow[]
  runs: number
  sessions: number
  problems: Problem[]
}

export interface ZoneRow {
  name: string
  type: 'A' | 'AAAA' | 'CNAME' | 'PTR'
  value: string
  network: string
  /** `zone`, or the client's address for an alias of its view. */
  view: string
}

/** Which fields of their definitions make two runs or services different ones; none where they are the same. */
export interface Explanation {
  /** Labels. */
  a: string
  b: string
  differences: Difference[]
}

/** A field, and what it is in each; null where there is none. */
export interface Difference {
  field: string
  a: string | null
  b: string | null
}

export interface DnsAnswer {
  name: string
  type: string
  as: string | null
  status: string
  answers: { name: string; type: string; ttl: number; data: string }[]
}
