import {
  type ExposedPort,
  labelOf,
  type PortForward,
  type ResolveAnswer,
  type ResolveRequest,
  type ServiceOptions,
  type StartRequest,
  type UpRequest,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { Node } from '../graph/graph.ts'
import { resultOf } from '../session/result.ts'
import { type CallContext, type Session, signalOf } from '../session/session.ts'
import { withDefinition } from '../session/with-definition.ts'
import { apiPath } from '../wire/api-path.ts'
import { eventsOf } from '../wire/events.ts'
import { execInService, type ServiceExecOptions, type ServiceExecResult } from './exec-in-service.ts'
import { openTunnel, type Tunnel } from './tunnel.ts'

export interface EndpointOptions extends CallContext {
  /** The first exposed one unless said. */
  port?: number
  /** Makes it a URL. */
  scheme?: string
  /** `host`: an address that works from this machine; the service must be running. @defaultValue `'container'` */
  from?: 'container' | 'host'
}

/** What a service's log holds. */
export type LogEntry =
  /** A piece of output, cut anywhere. `position` is behind it: `logs({ after })` goes on from there. */
  | { type: 'output'; stream: 'stdout' | 'stderr'; time: Date; data: Buffer; position: string | undefined }
  /** What follows is the output of this run; a service has another run after each start. */
  | { type: 'run'; run: string; startedAt: Date }
  /** So many bytes of the log are no longer kept; null when nobody knows how many. */
  | { type: 'gap'; missing: number | null; position: string | undefined }

export interface LogsOptions extends CallContext {
  /** Go on while the service lives, through its restarts. */
  follow?: boolean
  /** What was written from then on; a number is of milliseconds since the epoch. */
  since?: number | Date
  /** The `position` of an entry that was read before: what comes after it, nothing of it twice. */
  after?: string
}

/** A container that others use while it runs. Describing one starts nothing; a binding or `start()` does. */
export class Service {
  /** What it runs. */
  readonly vertex: Node
  readonly options: ServiceOptions
  readonly #session: Session
  /** Known of one that was started: what a tag means may have changed since. */
  readonly #label: string | undefined

  constructor(session: Session, vertex: Node, options: ServiceOptions, label?: string) {
    this.#session = session
    this.vertex = vertex
    this.options = options
    this.#label = label
  }

  /**
   * Starts it and waits until it is healthy. It is held until the handle is disposed of or the connection closes; with
   * `detach`, until somebody stops it.
   *
   * @throws HealthError, MoorageError
   */
  async start({
    detach = false,
    ...context
  }: CallContext & { detach?: boolean } = {}): Promise<RunningService> {
    const session = this.#session
    const { lease, service } = await withDefinition(session, this.vertex, context, (definition, wanted) => {
      const body: StartRequest = { definition, service: this.options, network: session.network, detach }
      // What hangs on the session is not worth waiting for without it.
      const signal = detach ? wanted : AbortSignal.any([wanted, session.lost])
      const headers = { 'moorage-session': session.id }
      return resultOf(
        session,
        session.transport.stream('POST', apiPath('services'), body, { signal, headers }),
        context,
      )
    })
    return new RunningService(session, this.vertex, this.options, { lease, label: service?.label })
  }

  /** Stops it, those that need it first; when it does not run, nothing happens. @param kill - by SIGKILL, at once */
  async stop({ kill = false, ...context }: CallContext & { kill?: boolean } = {}): Promise<void> {
    try {
      await this.#call('DELETE', '', { kill: kill ? '1' : undefined }, context)
    } catch (error) {
      if (!(error instanceof MoorageError && error.code === 'SERVICE_NOT_FOUND')) throw error
    }
  }

  /** Stops and starts it at another address; its clients stay, and its names follow. */
  async restart(context: CallContext = {}): Promise<void> {
    await this.#call('POST', '/restart', {}, context)
  }

  async #call(
    method: string,
    action: string,
    query: Record<string, string | undefined>,
    context: CallContext,
  ): Promise<void> {
    const { transport, network } = this.#session
    const path = apiPath(`services/${await this.#labelOf(context)}${action}`, { ...query, network })
    await transport.call(method, path, undefined, { signal: signalOf(this.#session, context) })
  }

  async #labelOf(context: CallContext): Promise<string> {
    return this.#label ?? labelOf(await this.digest(context))
  }

  /** The digest that its name is derived from. */
  async digest(context: CallContext = {}): Promise<string> {
    return (await this.#resolve({ want: 'digest' }, context)).value
  }

  /** Its name in the network, the same for the same definition; starts nothing. */
  async hostname(context: CallContext = {}): Promise<string> {
    return (await this.#resolve({ want: 'hostname' }, context)).value
  }

  /** `name:port`, or with `scheme` a URL. @throws MoorageError NO_PORT, SERVICE_NOT_RUNNING (from the host) */
  async endpoint({ port, scheme, from, ...context }: EndpointOptions = {}): Promise<string> {
    const wanted = {
      want: 'endpoint' as const,
      ...(port === undefined ? {} : { port }),
      ...(scheme === undefined ? {} : { scheme }),
      ...(from === undefined ? {} : { from }),
    }
    return (await this.#resolve(wanted, context)).value
  }

  /** The ports that it declares, then those that only its image names, which are not waited for. */
  async ports(context: CallContext = {}): Promise<ExposedPort[]> {
    return (await this.#resolve({ want: 'ports' }, context)).ports ?? []
  }

  #resolve(
    wanted: Omit<ResolveRequest, 'definition' | 'service' | 'network'>,
    context: CallContext,
  ): Promise<ResolveAnswer> {
    const { transport, network } = this.#session
    return withDefinition(this.#session, this.vertex, context, (definition, signal) => {
      const body: ResolveRequest = { definition, service: this.options, network, ...wanted }
      return transport.call('POST', apiPath('resolve'), body, { signal })
    })
  }

  /**
   * Its output: of its newest run from the start, unless `since` or `after` says otherwise; with `follow`, on and on until
   * the service has ended. Who reads slowly holds up nobody: what is dropped meanwhile (the log keeps 64 MiB of a run unless
   * the daemon is set otherwise) is a `gap`.
   *
   * @example
   * for await (const entry of service.logs({ follow: true })) {
   *   if (entry.type === 'output') process.stdout.write(entry.data)
   * }
   * @throws MoorageError SERVICE_NOT_FOUND when it never ran
   */
  async *logs(options: LogsOptions = {}): AsyncGenerator<LogEntry> {
    const { follow, since, after } = options
    const { transport, network } = this.#session
    const path = apiPath(`services/${await this.#labelOf(options)}/logs`, {
      follow: follow ? '1' : undefined,
      since: since === undefined ? undefined : String(since.valueOf()),
      after,
      network,
    })
    const events = transport.output('GET', path, undefined, { signal: signalOf(this.#session, options) })
    for await (const event of eventsOf(events)) {
      if (event.type === 'output') yield { ...event, time: new Date(event.time) }
      else if (event.type === 'run') {
        yield { type: 'run', run: event.run, startedAt: new Date(event.startedAt) }
      } else if (event.type === 'gap') {
        yield { type: 'gap', missing: event.missing, position: event.position }
      }
    }
  }

  /**
   * Lets ports of this machine lead to it; it is started if it does not run, and held while the tunnel is open.
   *
   * @param options.ports - each port that it declares, at any free one, unless said; `host: 0` is any,
   *   `address` is 127.0.0.1 unless said
   * @throws HealthError, MoorageError
   */
  up({ ports, ...context }: CallContext & { ports?: readonly PortForward[] } = {}): Promise<Tunnel> {
    const session = this.#session
    return withDefinition(session, this.vertex, context, (definition, wanted) => {
      const body: UpRequest = {
        definition,
        service: this.options,
        network: session.network,
        ...(ports === undefined ? {} : { ports: [...ports] }),
      }
      const headers = { 'moorage-session': session.id }
      return openTunnel(session, wanted, context.onEvent, (signal) =>
        session.transport.stream('POST', apiPath('up'), body, { signal, headers }),
      )
    })
  }

  /**
   * Runs a command in it while it runs, with its environment and user, to its end.
   *
   * @throws ExecError when it ends with a code that `expect` does not allow; MoorageError SERVICE_NOT_FOUND,
   * SERVICE_NOT_RUNNING
   */
  async exec(args: readonly string[], options: ServiceExecOptions = {}): Promise<ServiceExecResult> {
    return await execInService(this.#session, await this.#labelOf(options), args, options)
  }
}

/** A service that is held: disposing of it lets go, after which it runs on for its grace period. */
export class RunningService extends Service implements AsyncDisposable {
  readonly #release: () => Promise<void>

  constructor(
    session: Session,
    vertex: Node,
    options: ServiceOptions,
    { lease, label }: { lease: string | undefined; label: string | undefined },
  ) {
    super(session, vertex, options, label)
    this.#release = async () => {
      // Detached: there is nothing to let go of. Closed or lost: the session took its leases along.
      if (lease === undefined || session.signal.aborted || session.lost.aborted) return
      await session.transport.call('DELETE', apiPath(`session/${session.id}/leases/${lease}`))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release()
  }
}
