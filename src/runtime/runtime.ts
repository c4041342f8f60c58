import type { Readable } from 'node:stream'

/** The narrow interface of everything that runs containers: the embedded `oci` runtime, later Docker Engine and Swarm. */

/** A container to run. Paths are of the host. */
export interface ContainerSpec {
  /** Unique among live containers of the daemon: letters, digits, `-`. */
  id: string
  /** The image, or another name by which people know the container; for messages. */
  image: string
  args: readonly string[]
  /** `NAME=value`, sorted. */
  env: readonly string[]
  /** A name or number in the image's /etc/passwd, optionally with `:group`; empty means root. */
  user: string
  /** Absolute path; created if it does not exist. */
  workdir: string
  /** All of the process's standard input. */
  stdin?: string
  /** The path of a pipe that becomes the process's standard input; set by the runtime for an `InputStream`. */
  stdinPipe?: string
  /** Host name inside the container. */
  hostname: string
  /** Read-only directories of its root filesystem, topmost first. */
  lowers: readonly string[]
  /** The directory for what it writes: empty, on the state directory's filesystem. */
  upper: string
  /** Path of the network namespace, as other processes of this host see it. */
  namespace: string
  /** Mounts besides the usual /proc, /dev and /sys. */
  mounts: readonly ContainerMount[]
  /** The run's own directory for its log segments. */
  logs: string
  /** Bytes of its output that are kept. @defaultValue 64 MiB */
  logLimit?: number
  resources?: ContainerResources
}

/** Limits and privileges of a container; sizes are in bytes. */
export interface ContainerResources {
  memory?: number
  cpus?: number
  pids?: number
  shmSize?: number
  /** Keys are the names of setrlimit(2), in lower case and without RLIMIT_. */
  ulimits?: Readonly<Record<string, number | { soft: number; hard: number }>>
  /** Names without CAP_; `ALL` may be dropped. */
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

/** A file or a directory of a stored filesystem. The container may change it; others do not see the change. */
export interface LayersMount {
  type: 'layers'
  /** Directories of that filesystem, topmost first. */
  lowers: readonly string[]
  /** A directory for the changes: empty, on the state directory's filesystem. */
  scratch: string
  /** The path to it, in steps: each is followed within the directory of the step before. None means all of it. */
  paths: readonly string[]
  destination: string
}

/** An empty directory in memory. */
export interface TemporaryMount {
  type: 'temporary'
  destination: string
  /** In bytes. @defaultValue half of the host's memory */
  size?: number
  /** `uid` or `uid:gid`. @defaultValue that of the directory below, else root */
  owner?: string
  /** @defaultValue that of the directory below, else 1777 */
  mode?: number
}

/** The end of a container. */
export interface ContainerExit {
  /** 128+n after signal n. */
  code: number
  signal: string | null
  /** True if the kernel killed one of its processes for lack of memory. */
  outOfMemory?: boolean
  /** Set if the kernel would not execute its command, to the kernel's words: then it wrote nothing. */
  refused?: string
}

/** A command to run in a running container, besides its own. */
export interface ExecSpec {
  args: readonly string[]
  /** All of the process's standard input. */
  stdin?: string
  /** The path of a pipe that becomes the process's standard input; set by the runtime for an `InputStream`. */
  stdinPipe?: string
  /** A directory for its log segments; without it the end of the output comes with the exit. */
  logs?: string
  /** Bytes of its output that are kept. @defaultValue 64 MiB */
  logLimit?: number
}

/**
 * Paces the writing of a log by its readers. The writer stops at an offset of the log until a higher one is allowed: then
 * the pipes fill, and the container waits.
 */
export interface OutputPace {
  /** The offset at which the writer stops first. */
  readonly first: number
  /** Gets the function that allows another offset; `Infinity` means that the writer never stops. */
  connect(allow: (upTo: number) => void): void
  /** Called when the writer has come to its offset and waits. */
  held(): void
  /** Called when output cannot be written, so that it is lost. @param code - like `ENOSPC` */
  failed(code: string | undefined, reason: string): void
}

export interface StartOptions {
  /** Ends the container while it starts. */
  signal?: AbortSignal
  /** Without it, the output is written as fast as it comes. */
  pace?: OutputPace
  /** Its standard input, instead of the specification's `stdin`. */
  input?: InputStream
}

export interface ExecExit extends ContainerExit {
  /** The last 4 KiB of both streams; empty if there are `logs`. */
  output: string
}

/** A standard input that comes as a stream: the process reads it from a pipe, which ends when the stream ends. */
export interface InputStream {
  /** Read as far as the process does, and some 64 KiB further. */
  readonly source: Readable
  /** Called when the process is not going to read the rest. */
  readonly onUnwanted: () => void
}

/** A running container. */
export interface RunningContainer {
  readonly id: string
  /** The pid of its first process, in the host's pid namespace. */
  readonly pid: number
  /** A sentence for each request that could not be met in full. */
  readonly notes: readonly string[]
  /** Resolves when its process has ended and all of its output is in the log; never rejects. */
  readonly exited: Promise<ContainerExit>
  /** Sends a signal to its first process; a no-op once it has ended. */
  signal(name: string): Promise<void>
  /**
   * Runs a command in it, with its environment, user and limits, to the command's end.
   *
   * @param options - `signal` ends the command; `pace` is of its `logs`
   * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, RUNTIME_FAILED; the signal's reason
   */
  exec(spec: ExecSpec, options?: StartOptions): Promise<ExecExit>
}

export interface Runtime {
  readonly name: string
  /**
   * Starts a container and returns when its process exists.
   *
   * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, USER_NOT_FOUND, RUNTIME_FAILED
   */
  start(spec: ContainerSpec, options?: StartOptions): Promise<RunningContainer>
  /** Kills all containers and frees everything. */
  close(): Promise<void>
}
