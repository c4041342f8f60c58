import type {
  ExposedPort,
  LogEvent,
  ResolveAnswer,
  ResolveRequest,
  ServiceOptions,
} from '../definition/index.ts'
import { MoorageError } from '../errors.ts'
import { directoriesOf, type ExecNode } from './exec-node.ts'
import { definitionOf } from './graph.ts'
import { notYet } from './not-yet.ts'
import { type CallContext, follow, type Session, sendDirectories, signalOf, withNetwork } from './session.ts'

export interface EndpointOptions extends CallContext {
  /** The first exposed one unless said. */
  port?: number
  /** Makes it a URL. */
  scheme?: string
  /** `host`: an address that works from this machine; the service must be running. @defaultValue `'container'` */
  from?: 'container' | 'host'
}

/** A piece of a service's output. */
export interface LogLine {
  stream: 'stdout' | 'stderr'
  time: Date
  data: Buffer
}

/** A container that others use while it runs. Describing one starts nothing; a binding or `start()` does. */
export class Service {
  /** What it runs. */
  readonly vertex: ExecNode
  readonly options: ServiceOptions
  readonly #session: Session

  constructor(session: Session, vertex: ExecNode, options: ServiceOptions) {
    this.#session = session
    this.vertex = vertex
    this.options = options
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
    const directories = await this.#directories()
    const request = { definition: definitionOf(this.vertex), service: this.options, detach }
    const { lease } = await follow(
      this.#session,
      '/v1/services',
      withNetwork(this.#session, request),
      directories,
      context,
    )
    return new RunningService(this.#session, this.vertex, this.options, lease)
  }

  /** Stops it, those that need it first; when it does not run, nothing happens. @param kill - by SIGKILL, at once */
  async stop({ kill = false, ...context }: CallContext & { kill?: boolean } = {}): Promise<void> {
    try {
      await this.#call('DELETE', kill ? '?kill=1' : '', context)
    } catch (error) {
      if (!(error instanceof MoorageError && error.code === 'SERVICE_NOT_FOUND')) throw error
    }
  }

  /** Stops and starts it at another address; its clients stay, and its names follow. */
  async restart(context: CallContext = {}): Promise<void> {
    await this.#call('POST', '/restart', context)
  }

  async #call(method: string, suffix: string, context: CallContext): Promise<unknown> {
    const label = (await this.#resolve({ want: 'ports' }, context)).value.split('.')[0]
    const { transport, network } = this.#session
    const query = network === undefined ? '' : `${suffix.includes('?') ? '&' : '?'}network=${network}`
    return transport.call(method, `/v1/services/${label}${suffix}${query}`, undefined, {
      signal: signalOf(this.#session, context),
    })
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

  /** The ports that it declares. */
  async ports(context: CallContext = {}): Promise<ExposedPort[]> {
    return (await this.#resolve({ want: 'ports' }, context)).ports ?? []
  }

  /** Its output, from the start; with `follow`, until it ends. @param since - milliseconds since the epoch */
  async *logs(options: CallContext & { follow?: boolean; since?: number } = {}): AsyncGenerator<LogLine> {
    const label = (await this.#resolve({ want: 'ports' }, options)).value.split('.')[0]
    const query = new URLSearchParams({
      ...(options.follow ? { follow: '1' } : {}),
      ...(options.since === undefined ? {} : { since: String(options.since) }),
      ...(this.#session.network === undefined ? {} : { network: this.#session.network }),
    })
    const events = this.#session.transport.stream('GET', `/v1/services/${label}/logs?${query}`, undefined, {
      signal: signalOf(this.#session, options),
    })
    for await (const event of events) if (event.type === 'log') yield lineOf(event)
  }

  up(..._: unknown[]): never {
    return notYet('up (F9)')
  }

  exec(..._: unknown[]): never {
    return notYet('exec in a running service')
  }

  async #directories() {
    const directories = directoriesOf(this.vertex)
    await Promise.all(directories.map((directory) => directory.digest()))
    return directories
  }

  async #resolve(
    wanted: Omit<ResolveRequest, 'definition' | 'service' | 'network'>,
    context: CallContext,
  ): Promise<ResolveAnswer> {
    const signal = signalOf(this.#session, context)
    await sendDirectories(this.#session, await this.#directories(), signal)
    const request = { definition: definitionOf(this.vertex), service: this.options, ...wanted }
    return this.#session.transport.call('POST', '/v1/resolve', withNetwork(this.#session, request), {
      signal,
    })
  }
}

/** A service that is held: disposing of it lets go, after which it runs on for its grace period. */
export class RunningService extends Service implements AsyncDisposable {
  readonly #release: () => Promise<void>

  constructor(session: Session, vertex: ExecNode, options: ServiceOptions, lease: string | undefined) {
    super(session, vertex, options)
    this.#release = async () => {
      // Detached: there is nothing to let go of. Closed: the session took its leases along.
      if (lease === undefined || session.signal.aborted) return
      await session.transport.call('DELETE', `/v1/session/${session.id}/leases/${lease}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release()
  }
}

function lineOf({ stream, time, data }: LogEvent): LogLine {
  return { stream, time: new Date(time), data: Buffer.from(data, 'base64') }
}
