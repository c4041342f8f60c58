import {
  type DirectoryFilter,
  type EventsEvent,
  type MissedEvent,
  type ProgressEvent,
  type Status,
  urlProblem,
} from '../definition/index.ts'
import { MoorageError } from '../errors/index.ts'
import { Container } from './container/container.ts'
import { describeBindings, type ServiceBindings } from './container/describe-bindings.ts'
import { Directory } from './files/directory.ts'
import { File } from './files/file.ts'
import { CacheVolume } from './graph/cache-volume.ts'
import { httpNode } from './graph/file-nodes.ts'
import { scratchNode } from './graph/filesystem-nodes.ts'
import { HostDirectory } from './graph/host-directory.ts'
import { type HostPortOptions, hostService } from './service/host-service.ts'
import type { Service } from './service/service.ts'
import { type CallContext, type Session, signalOf } from './session/session.ts'
import { apiPath } from './wire/api-path.ts'
import { eventsOf } from './wire/events.ts'

/** Directories and ports of this machine, as parts of a definition. */
export interface Host {
  /** A directory of this machine. This process reads it and sends its content; the daemon never opens the path. */
  directory(path: string, filter?: DirectoryFilter): Directory
  /**
   * Ports of 127.0.0.1 of the daemon's host as a service: only containers that are bound to it reach them. A client
   * runs when each TCP port accepts a connection.
   *
   * @throws MoorageError INVALID_OPTION
   */
  service(ports: readonly (number | HostPortOptions)[]): Service
}

/**
 * A connection to a daemon. Every description begins here; leases that were taken over it end with it. It keeps no
 * program running: calls under way and open tunnels do.
 */
export class Moorage implements AsyncDisposable {
  readonly #session: Session
  readonly #close: () => Promise<void>
  readonly host: Host

  constructor(session: Session, close: () => Promise<void>) {
    this.#session = session
    this.host = {
      directory: (path, filter) => new Directory(session, new HostDirectory(path, filter)),
      service: (ports) => hostService(session, ports),
    }
    this.#close = close
  }

  /**
   * An empty container, for `from()` or `withRootfs()`.
   *
   * @param options.platform - like `linux/amd64`: it runs only on a daemon's host of that kind
   */
  container({ platform }: { platform?: string } = {}): Container {
    return new Container(this.#session, { platform })
  }

  /** A named directory that outlives runs. @throws MoorageError INVALID_OPTION */
  cacheVolume(name: string): CacheVolume {
    return new CacheVolume(name)
  }

  /** The empty directory. */
  directory(): Directory {
    return new Directory(this.#session, scratchNode())
  }

  /**
   * The body of a URL's answer, as a file. The daemon fetches it from within the network, as a container there would:
   * it starts `services` and finds them by their aliases, and refuses other addresses that are not public. Like the
   * output of a command it is fetched once and then stored, unless `noCache`.
   *
   * @param options.services - services by their aliases
   * @throws MoorageError INVALID_OPTION, INVALID_ALIAS
   */
  http(url: string, options: { services?: ServiceBindings; noCache?: boolean } = {}): File {
    const reason = urlProblem(url)
    if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `url "${url}"`, reason })
    const bindings = describeBindings(options.services ?? {})
    return new File(this.#session, httpNode(options.noCache ? { url, noCache: true } : { url }, bindings))
  }

  secret(..._: unknown[]): never {
    throw new MoorageError('NOT_YET', { what: 'secret (F28)' })
  }

  /**
   * The daemon's events, of all its callers: first those that it keeps, then live ones until the iteration is left. The
   * first item names the event log; resume with `{ since: seq, log }` of the last event that was seen. A `missed` item
   * counts events that are gone because they were not read in time.
   *
   * @param options.since - begin after this event; `latest`: only new ones. @defaultValue all that are kept
   * @throws MoorageError CANCELLED, DAEMON_UNREACHABLE
   * @example
   * for await (const event of moorage.events({ since: 'latest' }))
   *   if (event.type === 'progress' && event.kind === 'service') console.log(event.name, event.state)
   */
  async *events({
    since,
    log,
    ...context
  }: CallContext & { since?: number | 'latest'; log?: string } = {}): AsyncGenerator<
    ProgressEvent | EventsEvent | MissedEvent
  > {
    const query = { follow: '1', since: since === undefined ? undefined : String(since), log }
    const signal = signalOf(this.#session, context)
    const events = this.#session.transport.stream('GET', apiPath('events', query), undefined, { signal })
    for await (const event of eventsOf(events)) {
      if (event.type === 'progress' || event.type === 'events' || event.type === 'missed') yield event
    }
  }

  /** The daemon, its networks and services, and its problems. */
  status(context: CallContext = {}): Promise<Status> {
    return this.#session.transport.call('GET', apiPath('status'), undefined, {
      signal: signalOf(this.#session, context),
    })
  }

  /** Closes the connection: open calls are cancelled, leases are released. */
  close(): Promise<void> {
    return this.#close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
