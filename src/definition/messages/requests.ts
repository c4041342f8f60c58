import type { Definition, ExposedPort, Protocol, ServiceOptions } from '../operations.ts'

/** The requests that a client sends to a daemon. Times are milliseconds since the epoch, durations milliseconds. */

export const apiVersion = 'v1'

/**
 * The content type of a request with a standard input: a line of JSON, which is the request, and then the input's bytes up
 * to the end of the body.
 */
export const inputType = 'application/vnd.moorage.input'

/** The output of an exec that a caller may ask for; `sync` only has it run. */
export type ExecOutput = 'stdout' | 'stderr' | 'exitCode' | 'sync'

/**
 * The output of a file or a directory that a caller may ask for. Of a file: its `size`, or its `contents` as `data`
 * events. Of a directory: the names in it (`entries`, each ended by a NUL byte) or all that is in it (`tar`), as
 * `data` events, or the digest of its content. Of both: `sync`, which only makes it.
 */
export type PartOutput = 'size' | 'contents' | 'entries' | 'tar' | 'contentDigest' | 'sync'

export type Output = ExecOutput | PartOutput

/** `POST evaluate`: answered by a stream of `StreamEvent`, the last of which is `result` or `error`. */
export interface EvaluateRequest {
  definition: Definition
  output: Output
  network?: string
  /** Send the run's output as `log` events too. */
  logs?: boolean
  /** Of a command: run it for this caller alone. Neither an equal call nor an earlier run answers it. */
  own?: boolean
  /** Ports of the host that lead to the container while it runs. */
  publish?: PortForward[]
  /** For `contents`: refuse a file of more bytes than this, before any is sent. */
  limit?: number
}

/**
 * `POST services`: start a service. Without `detach` its lease belongs to the session that the header
 * `moorage-session` names.
 */
export interface StartRequest {
  definition: Definition
  service: ServiceOptions
  network?: string
  /** Keep it until somebody stops it. */
  detach?: boolean
  /** With `detach`: release it after so many milliseconds. */
  for?: number
  /** Ports of the host that lead to it for as long as it is held. */
  publish?: PortForward[]
}

/** `POST services/{id}/exec`: run a command in a running service; answered like `evaluate`. */
export interface ExecRequest {
  args: string[]
  stdin?: string
}

/** `POST resolve`: ask for the names and addresses of a definition. Starts nothing. */
export interface ResolveRequest {
  definition: Definition
  service?: ServiceOptions
  network?: string
  want: 'digest' | 'hostname' | 'endpoint' | 'ports'
  port?: number
  scheme?: string
  from?: 'container' | 'host'
}

/** A port of the host that leads to a port of a service. */
export interface PortForward {
  /** 0 means any free port. */
  host: number
  service: number
  /** The address of the host on which it listens. @defaultValue `127.0.0.1` */
  address?: string
  /** @defaultValue `tcp` */
  protocol?: Protocol
}

/**
 * `POST up`: start a service, and let ports of the host lead to it for as long as the request is open. The `result`
 * comes as soon as they do; the stream then stays open.
 */
export interface UpRequest {
  definition: Definition
  service: ServiceOptions
  network?: string
  /** If not set, each port that the service declares, at any free port. */
  ports?: PortForward[]
}

export interface ResolveAnswer {
  /** The digest (`sha256:…`), the hostname or the endpoint. */
  value: string
  ports?: ExposedPort[]
}

/** `PUT networks/{name}`: the settings of a new network; those of the daemon count where one is not set. */
export interface NetworkSettings {
  /** A CIDR; if it is not set, a free one is chosen. */
  subnet?: string
  /** IPv6 beside IPv4: a prefix, or `true` for any. */
  ipv6?: boolean | string
  /** `network`: every member reaches every service. `bindings`: only the clients that are bound to it. */
  isolation?: 'network' | 'bindings'
}
