import type { Readable } from 'node:stream'
import type {
  EvaluateRequest,
  ExecRequest,
  Explanation,
  NetworkRow,
  NetworkSettings,
  PortForward,
  Problem,
  ProgressEvent,
  QueryAnswer,
  ResolveAnswer,
  ResolveRequest,
  ResultEvent,
  RunRow,
  ServiceRow,
  StartRequest,
  ZoneRow,
} from '../definition/index.ts'
import type { Lease } from '../lifecycle/index.ts'
import type { Caller } from './caller.ts'
import type { EngineLog } from './context.ts'
import type { EventLog } from './events/event-log.ts'
import type { LogOptions, LogPiece } from './registry/log-piece.ts'

export interface EngineOptions {
  /** The directory of everything that is kept: images, layers, results, volumes. @defaultValue `/var/lib/moorage` */
  stateDirectory?: string
  /** The directory of run-time files. @defaultValue `/run/moorage` */
  runDirectory?: string
  /** The subnet of the network `default`. @defaultValue a free one */
  subnet?: string
  /** Gives networks IPv6 beside IPv4, where they do not say. @defaultValue false */
  ipv6?: boolean
  /**
   * Lets all of a network reach a service, or only its clients, where the network does not say. @defaultValue `network`
   */
  isolation?: 'network' | 'bindings'
  /** Grace of services that do not say, in milliseconds. @defaultValue 10000 */
  grace?: number
  /** Stretches every default time limit, for slow machines. @defaultValue 1 */
  timeoutScale?: number
  /** `false`: no networks are made, containers use the host's, and a binding is an error. @defaultValue true */
  servicesDns?: boolean
  /** The number of commands that run at the same time, services not counted; others wait. @defaultValue 256 */
  maxRuns?: number
  /** The number of bytes that are kept of a run's output: its beginning and its end. @defaultValue 64 MiB */
  logLimit?: number
  log?: EngineLog
}

/** Evaluates definitions and runs their services: served by the daemon, and for programs to embed. */
export interface Engine extends AsyncDisposable {
  readonly instance: string
  readonly stateDirectory: string
  readonly runtime: string
  /** The names of what an earlier daemon had left, removed at the start. */
  readonly recovered: readonly string[]
  /** The events of everything that goes on. */
  readonly events: EventLog
  evaluate(request: EvaluateRequest, caller: Caller): Promise<ResultEvent>
  /** Starts a service and holds it for `holder` until the lease is released, with the ports that lead to it. */
  start(
    request: StartRequest,
    holder: string,
    caller: Caller,
  ): Promise<{ lease: Lease; row: ServiceRow; ports: readonly PortForward[] }>
  stop(id: string, options?: { kill?: boolean; network?: string }): Promise<ServiceRow>
  restart(id: string, options?: { network?: string }): Promise<ServiceRow>
  /** Runs a command in the container of a service or a run that goes on. */
  exec(id: string, request: ExecRequest, caller: Caller, network?: string): Promise<ResultEvent>
  resolve(request: ResolveRequest, caller: Caller): Promise<ResolveAnswer>
  services(): ServiceRow[]
  service(id: string, network?: string): ServiceRow
  runs(): RunRow[]
  /**
   * Returns the remembered events of a service or a run: those of its last lives. @throws MoorageError
   * SERVICE_NOT_FOUND
   */
  history(id: string, network?: string): ProgressEvent[]
  /** Finds the fields in which two of them differ. @throws MoorageError SERVICE_NOT_FOUND */
  explain(a: string, b: string, network?: string): Explanation
  networks(): NetworkRow[]
  /** @throws MoorageError NETWORK_NOT_FOUND */
  network(name: string): NetworkRow
  /** Makes a network that stays, by later daemons too, until it is removed. @throws MoorageError NETWORK_EXISTS, … */
  createNetwork(name: string, settings: NetworkSettings): Promise<NetworkRow>
  /** @throws MoorageError NETWORK_NOT_FOUND, NETWORK_IN_USE */
  removeNetwork(name: string): Promise<void>
  problems(): Problem[]
  /** Counts what goes on: services that live, and runs. */
  busy(): number
  /** Reads what a service or a run has written; with `follow` as it is written. */
  logs(id: string, options: LogOptions & { network?: string }): AsyncIterable<LogPiece>
  records(network?: string): ZoneRow[]
  query(
    name: string,
    type: string,
    options?: { as?: string; network?: string; signal?: AbortSignal },
  ): Promise<QueryAnswer>
  missingDirectories(digests: readonly string[]): string[]
  receiveDirectory(digest: string, tar: Readable, signal: AbortSignal): Promise<void>
  /**
   * Stops everything in order, and frees all that was acquired.
   *
   * @param options.timeout - milliseconds until what is left is killed; 30,000 times the timeout scale unless given
   */
  close(options?: { timeout?: number }): Promise<void>
}
