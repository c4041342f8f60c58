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
import { withoutUndefined } from '../../without-undefined.ts'
import type { Node } from '../graph/graph.ts'
import { resultOf } from '../session/result.ts'
import { type CallContext, type Session, signalOf } from '../session/session.ts'
import { withDefinition } from '../session/with-definition.ts'
import { apiPath } from '../wire/api-path.ts'
import { eventsOf } from '../wire/events.ts'
import { execInService, type ServiceExecOptions, type ServiceExecResult } from './exec-in-service.ts'
import { openTunnel, type Tunnel } from './tunnel.ts'

export interface EndpointOptions extends CallContext {
  /** @defaultValue the first exposed port */
  port?: number
  /** Scheme of a URL, such as `http`. @defaultValue none: `name:port` */
  scheme?: string
  /** `host` gives an address that works from this machine; the service must be running. @defaultValue `'container'` */
  from?: 'container' | 'host'
}

/** An entry of a service's log. */
export type LogEntry =
  /** A piece of output, cut anywhere. `position` stands behind it: `logs({ after })` goes on from there. */
  | { type: 'output'; stream: 'stdout' | 'stderr'; time: Date; data: Buffer; position: string | undefined }
  /** The entries that follow are of this run; a service has a new run after each start. */
  | { type: 'run'; run: string; startedAt: Date }
  /** The number of bytes of the log that are no longer kept; null when it is unknown. */
  | { type: 'gap'; missing: number | null; position: string | undefined }

export interface LogsOptions extends CallContext {
  /** Go on until the service has ended, through its restarts. */
  follow?: boolean
  /** Only output that was written at this time or later; a number counts milliseconds since the epoch. */
  since?: number | Date
  /** The `position` of an entry that was read before: begin behind it, and repeat nothing. */
  after?: string
}

/** A container that others use while it runs. A description starts nothing; a client that is bound to it, or `start()`, does. */
export class Service {
  /** The exec that it runs, or the ports of the host that it stands for. */
  readonly vertex: Node
  readonly options: ServiceOptions
  readonly #session: Session
  /** Set once it was started. Later calls use it, since a tag may mean another image by then. */
  readonly #label: string | undefined

  constructor(session: Session, vertex: Node, options: ServiceOptions, label?: string) {
    this.#session = session
    this.vertex = vertex
    this.options = options
    this.#label = label
  }

  /**
   * Starts the service and waits until it is healthy. It is held until the handle is disposed of or the connection
   * closes; with `detach`, until somebody stops it.
   *
   * @throws HealthError, MoorageError
   */
  async start({
    detach = false,
    ...context
  }: CallContext & { detach?: boolean } = {}): Promise<RunningService> {
    const session = this.#session
    const { lease, service } = await withDefinition(
      session,
      this.vertex,
      context,
      (definition, cancelled) => {
        const body: StartRequest = { definition, service: this.options, network: session.network, detach }
        // The lease hangs on the session: without it there is nothing to wait for.
        const signal = detach ? cancelled : AbortSignal.any([cancelled, session.lost])
        const headers = { 'moorage-session': session.id }
        return resultOf(
          session,
          session.transport.stream('POST', apiPath('services'), body, { signal, headers }),
          context,
        )
      },
    )
    return new RunningService(session, this.vertex, this.options, { lease, label: service?.label })
  }

  /** Stops the service, after the services that need it. Does nothing when it is not running. @param kill - by SIGKILL, at once */
  async stop({ kill = false, ...context }: CallContext & { kill?: boolean } = {}): Promise<void> {
    try {
      await this.#call('DELETE', '', { kill: kill ? '1' : undefined }, context)
    } catch (error) {
      if (!(error instanceof MoorageError && error.code === 'SERVICE_NOT_FOUND')) throw error
    }
  }

  /** Stops the service and starts it again at another address. Its clients stay, and its names follow. */
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

  /** The digest that the service's hostname is derived from. */
  async digest(context: CallContext = {}): Promise<string> {
    return (await this.#resolve({ want: 'digest' }, context)).value
  }

  /** The service's name in the network, the same for the same definition; starts nothing. */
  async hostname(context: CallContext = {}): Promise<string> {
    return (await this.#resolve({ want: 'hostname' }, context)).value
  }

  /** `name:port`, or with `scheme` a URL. @throws MoorageError NO_PORT, SERVICE_NOT_RUNNING (from the host) */
  async endpoint({ port, scheme, from, ...context }: EndpointOptions = {}): Promise<string> {
    const query = withoutUndefined({ want: 'endpoint' as const, port, scheme, from })
    return (await this.#resolve(query, context)).value
  }

  /** The ports that the definition declares, then those that only the image declares; the latter are not waited for. */
  async ports(context: CallContext = {}): Promise<ExposedPort[]> {
    return (await this.#resolve({ want: 'ports' }, context)).ports ?? []
  }

  #resolve(
    query: Omit<ResolveRequest, 'definition' | 'service' | 'network'>,
    context: CallContext,
  ): Promise<ResolveAnswer> {
    const { transport, network } = this.#session
    return withDefinition(this.#session, this.vertex, context, (definition, signal) => {
      const body: ResolveRequest = { definition, service: this.options, network, ...query }
      return transport.call('POST', apiPath('resolve'), body, { signal })
    })
  }

  /**
   * The service's output: that of its newest run from the start, unless `since` or `after` says otherwise; with `follow`,
   * it goes on until the service has ended. A slow reader holds up nobody: output that is dropped meanwhile is a `gap`
   * (the log keeps 64 MiB of a run by default).
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
   * Lets ports of the daemon's host lead to the service. It is started unless it runs, and held while the tunnel is open.
   *
   * @param options.ports - which port leads where; `host: 0` is any free port, `address` is 127.0.0.1 by default.
   *   @defaultValue each port that the service declares, at any free port of the host
   * @throws HealthError, MoorageError
   */
  up({ ports, ...context }: CallContext & { ports?: readonly PortForward[] } = {}): Promise<Tunnel> {
    const session = this.#session
    return withDefinition(session, this.vertex, context, (definition, cancelled) => {
      const { network } = session
      const body: UpRequest = withoutUndefined({
        definition,
        service: this.options,
        network,
        ports: ports && [...ports],
      })
      const headers = { 'moorage-session': session.id }
      return openTunnel(session, cancelled, context.onEvent, (signal) =>
        session.transport.stream('POST', apiPath('up'), body, { signal, headers }),
      )
    })
  }

  /**
   * Runs a command in the running service, with the service's environment and user, and waits for the end.
   *
   * @throws ExecError when it ends with a code that `expect` does not allow; MoorageError SERVICE_NOT_FOUND,
   * SERVICE_NOT_RUNNING
   */
  async exec(args: readonly string[], options: ServiceExecOptions = {}): Promise<ServiceExecResult> {
    return await execInService(this.#session, await this.#labelOf(options), args, options)
  }
}

/** A service that is held. When it is disposed of, the lease is released, and the service runs on for its grace period. */
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
      // A detached start has no lease; a session that was closed or lost took its leases along.
      if (lease === undefined || session.signal.aborted || session.lost.aborted) return
      await session.transport.call('DELETE', apiPath(`session/${session.id}/leases/${lease}`))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release()
  }
}
