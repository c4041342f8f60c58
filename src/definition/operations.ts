/**
 * The operations of a definition, as plain types: the client loads these and no validator, and the compiler holds the
 * daemon's schemas to them. A number that names an input is the index of an earlier operation in `Definition.ops`.
 */

/** Part of every digest: a change of the meaning of operations raises it. */
export const schemaVersion = 1

/** A definition as it is sent: a graph of operations, and the index of the one that is meant. */
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

/** The root filesystem of an image, with its configuration. */
export interface ImageOperation {
  op: 'image'
  ref: string
  /** `always` moves the pin of a tag. */
  pull?: 'always'
  /** `linux/amd64`: an error if the daemon's host has another platform. Not in the digest. */
  platform?: string
}

/** A directory that the client has read and sent, named by the digest of its content. */
export interface HostOperation {
  op: 'host'
  digest: string
}

/** Ports of the daemon's host as a service. A binding names it where it would name an exec. */
export interface HostServiceOperation {
  op: 'hostService'
  ports: HostPort[]
}

/** A port of 127.0.0.1 of the host, and the port under which clients reach it. */
export interface HostPort {
  host: number
  service: number
  protocol: Protocol
}

/** A root filesystem that is made of a directory. */
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
  /** If it is not set, the image's own entrypoint and command are used. */
  args?: string[]
  /** Put the entrypoint before `args`, as `docker run IMAGE ARGS` does. */
  useEntrypoint?: boolean
  /** Replaces the image's entrypoint. */
  entrypoint?: string[]
  /** Replaces the image's command. */
  defaultArgs?: string[]
  /** Set after the image's own variables; null removes a variable. Later ones win. */
  env?: [name: string, value: string | null][]
  user?: string
  workdir?: string
  stdin?: string
  /** Exit codes that count as success; `success`, the default, is 0 only. */
  expect?: 'success' | 'any' | number[]
  mounts?: Mount[]
  bindings?: Binding[]
  resources?: Resources
  /** A custom name in the network, one label. */
  hostname?: string
  /** Any text: it tells this service from others of an equal definition. */
  instance?: string
  /** Neither look up nor store the result, here and in what descends from it. Not in the digest. */
  noCache?: boolean
}

export type Sharing = 'shared' | 'private' | 'locked'

/** A mount over the root filesystem of an exec. */
export type Mount = CacheMount | DirectoryMount | FileMount | TempMount

export interface CacheMount {
  type: 'cache'
  path: string
  volume: number
  sharing: Sharing
}

/** A directory. What the exec changes in it, nobody else sees. */
export interface DirectoryMount {
  type: 'directory'
  path: string
  source: number
}

/** A file. What the exec changes in it, nobody else sees. */
export interface FileMount {
  type: 'file'
  path: string
  source: number
}

/** An empty directory in memory that ends with the exec. */
export interface TempMount {
  type: 'temp'
  path: string
  /** Its size limit in bytes; half of the memory, if it is not set. */
  size?: number
  /** `uid` or `uid:gid`, as numbers. @defaultValue that of the directory below, else root */
  owner?: string
  /** @defaultValue that of the directory below, else 1777 */
  mode?: number
}

/**
 * A directory of a filesystem or of another directory, as a filesystem of its own: links in it lead nowhere out of
 * it. Paths here and below are absolute, from the root of `input`; links on the way are followed as in a container
 * of `input`.
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

/** The owner and the permissions of what is put into a filesystem. */
export interface FileAttributes {
  /** `uid` or `uid:gid`, as numbers. */
  owner?: string
  /** For a file: the bits of chmod(2). */
  permissions?: number
}

/** `input` with a file, or the content of a directory, put at `path`; directories on the way are made. */
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

/** `input` without what is at `path`. It is no error if nothing is there. */
export interface RemoveOperation {
  op: 'remove'
  input: number
  path: string
  /** Remove a directory too, with all that is in it. */
  recursive?: boolean
}

/**
 * The answer of a URL, as a file. It is fetched from within the network, where the bound services have their
 * aliases.
 */
export interface HttpOperation {
  op: 'http'
  url: string
  bindings?: Binding[]
  /** Fetch it each time. Not in the digest. */
  noCache?: boolean
}

/** Lets this client reach a service under a name. */
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
  /** How the port is waited for, if not as its protocol says; `none`: not at all. */
  check?: 'none' | ExposedPortCheck
}

/**
 * An exec that is run as a service, with the options that are not part of its identity. Durations are milliseconds.
 */
export interface ServiceReference extends ServiceOptions {
  exec: number
}

/** How a binder wants a service to be run. None of it is in a digest. */
export interface ServiceOptions {
  ports?: ExposedPort[]
  /** `none`: neither ports nor the image's HEALTHCHECK are waited for. */
  healthcheck?: 'none'
  /** Checks that are waited for besides. */
  checks?: HealthCheck[]
  /** How long the service runs on after its last lease. */
  grace?: number
  /** From the request until it is healthy: one deadline. */
  startTimeout?: number
  /** From the stop signal to SIGKILL. */
  stopTimeout?: number
  /** Stops the service. @defaultValue `SIGTERM` */
  stopSignal?: string
}

/** Durations are milliseconds. */
export interface CheckTimes {
  /** Limit of one attempt. */
  timeout?: number
  /** Delay after a failed attempt, instead of the growing delays. */
  interval?: number
  /**
   * With `retries` or `startPeriod`, a check fails for good startPeriod + retries (3) × interval (1 s) after the
   * start.
   */
  startPeriod?: number
  retries?: number
}

export interface HttpRequest {
  path: string
  /** The statuses that count as healthy. @defaultValue 200 to 399 */
  status?: number | number[]
}

/** The pattern and the flags of a RegExp. */
export interface LogPattern {
  pattern: string
  flags?: string
}

/** How an exposed port is waited for: by an HTTP request, or as its protocol says, with other times. */
export type ExposedPortCheck = CheckTimes & { http?: HttpRequest }

/** A condition that must hold before a client of a service runs. */
export type HealthCheck = CheckTimes &
  (
    | { tcp: number }
    | { udp: number }
    /** At this port, or at the first TCP port that is exposed. */
    | { http: HttpRequest & { port?: number } }
    | { exec: string[] }
    | { log: string | LogPattern }
  )

/** Limits and rights of a container. */
export interface Resources {
  /** Bytes. */
  memory?: number
  /** Number of CPUs, also a fraction. Not in the digest: it changes how fast, not what. */
  cpus?: number
  /** Limit of processes and threads. @defaultValue 4096 */
  pids?: number
  /** Size of /dev/shm in bytes. @defaultValue 64 MiB */
  shmSize?: number
  /**
   * Limits by the names of setrlimit(2), in lower case and without RLIMIT_: `nofile`. One number is both limits.
   */
  ulimits?: Record<string, number | { soft: number; hard: number }>
  /**
   * Capabilities by name, without CAP_: `NET_ADMIN`. With NET_RAW a container can send packets in the name of
   * another.
   */
  capabilities?: { add?: string[]; drop?: string[] }
  /** Run a small first process that passes signals on and collects orphans. */
  init?: boolean
}
