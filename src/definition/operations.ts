/**
 * The operations that a definition is made of, as plain types: the client loads these and no validator,
 * and the compiler holds the daemon's schemas to them. A number that names an input is an index of an
 * earlier operation in `Definition.ops`.
 */

/** Part of every digest: a change of what operations mean raises it. */
export const schemaVersion = 1

/** A definition as it travels: a graph of operations and the one that is meant. */
export interface Definition {
  ops: Operation[]
  root: number
}

export type Operation =
  | ImageOperation
  | HostOperation
  | RootfsOperation
  | ScratchOperation
  | CacheVolumeOperation
  | ExecOperation
  | DirectoryOperation
  | FileOperation
  | CopyOperation
  | WriteOperation
  | RemoveOperation
  | HttpOperation
  | HostServiceOperation

/** A root filesystem, with its configuration, from an image reference. */
export interface ImageOperation {
  op: 'image'
  ref: string
  /** `always` moves the pin of a tag. */
  pull?: 'always'
  /** `linux/amd64`: an error where the daemon's host is of another kind. Not in the digest. */
  platform?: string
}

/** A directory that the client read and sent, by the digest of its content. */
export interface HostOperation {
  op: 'host'
  digest: string
}

/** Ports of the daemon's host as a service, which a binding names where it would name an exec. */
export interface HostServiceOperation {
  op: 'hostService'
  ports: HostPort[]
}

/** A port of 127.0.0.1 of the host, and the one under which clients reach it. */
export interface HostPort {
  host: number
  service: number
  protocol: Protocol
}

/** A container's root filesystem made of a directory. */
export interface RootfsOperation {
  op: 'rootfs'
  directory: number
}

/** An empty root filesystem, or an empty directory. */
export interface ScratchOperation {
  op: 'scratch'
}

/** A named directory that outlives runs. */
export interface CacheVolumeOperation {
  op: 'cacheVolume'
  name: string
}

/** One command on a root filesystem, with everything that its process can see. */
export interface ExecOperation {
  op: 'exec'
  /** The filesystem it starts from: image, rootfs, scratch or another exec. */
  input: number
  /** Absent: the image's own entrypoint and command. */
  args?: string[]
  /** Put the entrypoint before `args`, as `docker run IMAGE ARGS` does. */
  useEntrypoint?: boolean
  /** Replaces the image's entrypoint. */
  entrypoint?: string[]
  /** Replaces the image's command. */
  defaultArgs?: string[]
  /** Set after the image's own; a null removes the variable. Later ones win. */
  env?: [name: string, value: string | null][]
  user?: string
  workdir?: string
  stdin?: string
  /** Exit codes that are a success; only 0 unless said. */
  expect?: 'success' | 'any' | number[]
  mounts?: Mount[]
  bindings?: Binding[]
  resources?: Resources
  /** A custom name in the network, one label. */
  hostname?: string
  /** Anything that makes this another service than one of equal definition. */
  instance?: string
  /** Skip the lookup and the storing of the result, here and in what descends from it. Not in the digest. */
  noCache?: boolean
}

export type Sharing = 'shared' | 'private' | 'locked'

/** What is mounted over the root filesystem of an exec. */
export type Mount = CacheMount | DirectoryMount | FileMount | TempMount

export interface CacheMount {
  type: 'cache'
  path: string
  volume: number
  sharing: Sharing
}

/** A directory, which the exec may change for itself: nobody else sees that. */
export interface DirectoryMount {
  type: 'directory'
  path: string
  source: number
}

/** A file, which the exec may change for itself: nobody else sees that. */
export interface FileMount {
  type: 'file'
  path: string
  source: number
}

/** An empty directory in memory that ends with the exec. */
export interface TempMount {
  type: 'temp'
  path: string
  /** The most that it holds, in bytes; half of the memory unless said. */
  size?: number
}

/**
 * A directory of a filesystem or of another directory, as a filesystem of its own: links in it lead nowhere out of it.
 * Paths here and below are absolute, from the root of `input`; links on the way are followed as in a container of it.
 */
export interface DirectoryOperation {
  op: 'directory'
  input: number
  path: string
}

/** A regular file of a filesystem or of a directory. */
export interface FileOperation {
  op: 'file'
  input: number
  path: string
}

/** Who owns what is put into a filesystem, and who may do what with it. */
export interface FileAttributes {
  /** `uid` or `uid:gid`, as numbers. */
  owner?: string
  /** Of a file: the bits of chmod(2). */
  permissions?: number
}

/** `input` with a file, or what is in a directory, put at `path`; directories on the way to it are made. */
export interface CopyOperation extends FileAttributes {
  op: 'copy'
  input: number
  /** A file or a directory. */
  source: number
  path: string
}

/** `input` with a new file. */
export interface WriteOperation extends FileAttributes {
  op: 'write'
  input: number
  path: string
  /** Text, or bytes in base64. */
  contents: string
  encoding?: 'base64'
}

/** `input` without what is at `path`, if anything is. */
export interface RemoveOperation {
  op: 'remove'
  input: number
  path: string
  /** A directory too, with all that is in it. */
  recursive?: boolean
}

/** What a URL answers, as a file; fetched from within the network, where the bound services have their aliases. */
export interface HttpOperation {
  op: 'http'
  url: string
  bindings?: Binding[]
  /** Fetch it each time. Not in the digest. */
  noCache?: boolean
}

/** This client reaches that service under this name. */
export interface Binding {
  alias: string
  service: ServiceReference
}

export type Protocol = 'tcp' | 'udp'

/** A port that a service declares. */
export interface ExposedPort {
  port: number
  protocol: Protocol
  description?: string
  /** How it is waited for, instead of what its protocol says; `none`: not at all. */
  check?: 'none' | ExposedPortCheck
}

/** An exec run as a service, with what does not belong to its identity. Durations are milliseconds. */
export interface ServiceReference extends ServiceOptions {
  exec: number
}

/** How a binder wants a service to be run: none of it is in a digest. */
export interface ServiceOptions {
  ports?: ExposedPort[]
  /** `none`: neither ports nor the image's HEALTHCHECK are waited for. */
  healthcheck?: 'none'
  /** What is waited for besides. */
  checks?: HealthCheck[]
  /** How long it runs on after its last lease. */
  grace?: number
  /** One deadline from asking for it to healthy. */
  startTimeout?: number
  /** From the stop signal to SIGKILL. */
  stopTimeout?: number
  /** Sent to stop it, SIGTERM unless said. */
  stopSignal?: string
}

/** Durations are milliseconds. */
export interface CheckTimes {
  /** Of one attempt. */
  timeout?: number
  /** From one attempt's failure to the next attempt, instead of the growing delays. */
  interval?: number
  /** With `retries` or `startPeriod` a check fails for good startPeriod + retries (3) × interval (1 s) after the start. */
  startPeriod?: number
  retries?: number
}

export interface HttpRequest {
  path: string
  /** Statuses that are an answer; 200 to 399 unless said. */
  status?: number | number[]
}

/** A pattern as RegExp has it. */
export interface LogPattern {
  pattern: string
  flags?: string
}

/** How one port is waited for: an HTTP answer, or what its protocol says with other times. */
export type ExposedPortCheck = CheckTimes & { http?: HttpRequest }

/** Something that must hold before a client of a service runs. */
export type HealthCheck = CheckTimes &
  (
    | { tcp: number }
    | { udp: number }
    /** Of this port, or the first TCP port that is exposed. */
    | { http: HttpRequest & { port?: number } }
    | { exec: string[] }
    | { log: string | LogPattern }
  )

/** What a container may use, and what it is given. */
export interface Resources {
  /** Bytes. */
  memory?: number
  /** How many, in parts too. Not in the digest: it changes how fast, not what. */
  cpus?: number
  /** Processes and threads; 4096 unless said. */
  pids?: number
  /** Size of /dev/shm in bytes; 64 MiB unless said. */
  shmSize?: number
  /** By the names of setrlimit(2), in lower case and without RLIMIT_: `nofile`. One number is both limits. */
  ulimits?: Record<string, number | { soft: number; hard: number }>
  /** By their names, without CAP_: `NET_ADMIN`. NET_RAW lets a container send what claims to be another's. */
  capabilities?: { add?: string[]; drop?: string[] }
  /** A small first process that passes signals on and collects orphans. */
  init?: boolean
}
