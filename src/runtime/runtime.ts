/** One narrow interface for whatever runs containers: the embedded `oci` runtime, later Docker Engine and Swarm. */

/** A container to run. Paths are of the host. */
export interface ContainerSpec {
  /** Unique among live containers of the daemon: letters, digits, `-`. */
  id: string
  /** For messages: the image or what else people know it by. */
  image: string
  args: readonly string[]
  /** `NAME=value`, sorted. */
  env: readonly string[]
  /** A name or number of the image's /etc/passwd, with `:group` if wanted; empty means root. */
  user: string
  /** Absolute; made when it does not exist. */
  workdir: string
  /** Given to the process as its standard input, which then ends. */
  stdin?: string
  /** Host name inside. */
  hostname: string
  /** Read-only directories of its root filesystem, topmost first. */
  lowers: readonly string[]
  /** Where what it writes goes: an empty directory of the state directory's filesystem. */
  upper: string
  /** Path of the network namespace, as another process of this host sees it. */
  namespace: string
  /** What is mounted besides the usual /proc, /dev, /sys. */
  mounts: readonly ContainerMount[]
  /** A directory of the run's own, to which the log segments are written. */
  logs: string
  /** How many bytes of its output are kept. @defaultValue 64 MiB */
  logLimit?: number
  resources?: ContainerResources
}

/** What a container may use, and what it is given; sizes are bytes. */
export interface ContainerResources {
  memory?: number
  cpus?: number
  pids?: number
  shmSize?: number
  /** By the names of setrlimit(2), in lower case and without RLIMIT_. */
  ulimits?: Readonly<Record<string, number | { soft: number; hard: number }>>
  /** Without CAP_; `ALL` may be dropped. */
  capabilities?: { add?: readonly string[]; drop?: readonly string[] }
  init?: boolean
}

export type ContainerMount = BindMount | LayersMount | TemporaryMount

/** A file or a directory of the host. */
export interface BindMount {
  type: 'bind'
  source: string
  destination: string
  readonly: boolean
}

/** A file or a directory of a stored filesystem, which the container may change for itself. */
export interface LayersMount {
  type: 'layers'
  /** Directories of that filesystem, topmost first. */
  lowers: readonly string[]
  /** An empty directory of the state directory's filesystem, for what the container changes. */
  scratch: string
  /** The way to it, each path from within the directory at the one before; none means all of it. */
  paths: readonly string[]
  destination: string
}

/** An empty directory in memory. */
export interface TemporaryMount {
  type: 'temporary'
  destination: string
  /** In bytes; half of the memory unless said. */
  size?: number
}

/** How a container ended. */
export interface Exit {
  /** 128+n after signal n. */
  code: number
  signal: string | null
  /** The kernel has killed one of its processes for lack of memory. */
  outOfMemory?: boolean
}

/** A command to run in a container that runs, besides its own. */
export interface ExecSpec {
  args: readonly string[]
  /** Given to the process as its standard input, which then ends. */
  stdin?: string
  /** A directory for its output, like a container's; without it the end of the output comes with the exit. */
  logs?: string
}

export interface ExecExit extends Exit {
  /** The last 4 KiB of both streams; empty where there are `logs`. */
  output: string
}

/** A container that runs. */
export interface RunningContainer {
  readonly id: string
  /** The pid of its first process, seen from the host. */
  readonly pid: number
  /** What it was not given as it was asked for, in words. */
  readonly notes: readonly string[]
  /** Settles when its process has ended and all of its output is in the log; never rejects. */
  readonly exited: Promise<Exit>
  /** Sends a signal to its first process; a no-op once it has ended. */
  signal(name: string): Promise<void>
  /**
   * Runs a command in it, with its environment, user and limits, to its end; `signal` kills it.
   *
   * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, RUNTIME_FAILED; the signal's reason
   */
  exec(spec: ExecSpec, options?: { signal?: AbortSignal }): Promise<ExecExit>
}

export interface Runtime {
  readonly name: string
  /**
   * Starts a container and returns when its process exists.
   * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, USER_NOT_FOUND, RUNTIME_FAILED
   */
  start(spec: ContainerSpec, options?: { signal?: AbortSignal }): Promise<RunningContainer>
  /** Kills what still runs and frees everything. */
  close(): Promise<void>
}
