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
import { notYet } from './container/not-yet.ts'
import { boundServices, type ServiceBindings } from './container/service-bindings.ts'
import { Directory } from './files/directory.ts'
import { File } from './files/file.ts'
import { CacheVolume } from './graph/cache-volume.ts'
import { HttpNode } from './graph/file-nodes.ts'
import { ScratchNode } from './graph/filesystem-nodes.ts'
import { HostDirectory } from './graph/host-directory.ts'
import { type HostPortOptions, hostService } from './service/host-service.ts'
import type { Service } from './service/service.ts'
import { type CallContext, type Session, signalOf } from './session/session.ts'
import { apiPath } from './wire/api-path.ts'
import { eventsOf } from './wire/events.ts'

/** What this machine gives: read by this process, never by the daemon. */
export interface Host {
  /** A directory by its content. */
  directory(path: string, filter?: DirectoryFilter): Directory
  /**
   * Ports of 127.0.0.1 of the daemon's host as a service: only containers that are bound to it reach them. Each TCP
   * port must accept a connection before a client runs.
   *
   * @throws MoorageError INVALID_OPTION
   */
  service(ports: readonly (number | HostPortOptions)[]): Service
}

/** A connection to a daemon: where descriptions begin. Leases taken over it end with it. */
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
   * The empty description that all others begin with.
   *
   * @param options.platform - like `linux/amd64`: running it is an error where the daemon's host is of another kind
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
    return new Directory(this.#session, new ScratchNode())
  }

  /**
   * What a URL answers, as a file. It is fetched from within the network, as a container in it would: services are
   * started for it and have their aliases; other addresses that are not of the internet are refused. Like the output of a
   * command it is fetched once, and then remembered, unless `noCache`.
   *
   * @param options.services - alias -> service
   * @throws MoorageError INVALID_OPTION, INVALID_ALIAS
   */
  http(url: string, options: { services?: ServiceBindings; noCache?: boolean } = {}): File {
    const reason = urlProblem(url)
    if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `url "${url}"`, reason })
    const bindings = boundServices(options.services ?? {})
    return new File(
      this.#session,
      new HttpNode({ url, ...(options.noCache ? { noCache: true } : {}) }, bindings),
    )
  }

  secret(..._: unknown[]): never {
    return notYet('secret (F28)')
  }

  /**
   * What goes on in the daemon, for all its callers: what is kept of it, and then live, until the iteration is left.
   * The first item names the log; resume with `{ since: seq, log }` of the last event that was seen. A `missed` item
   * says that so many events are gone, since they were not read in time.
   *
   * @param options.since - after this event; `latest`: only what comes. Everything that is kept, unless said
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

  /** What runs, why, and what is wrong. */
  status(context: CallContext = {}): Promise<Status> {
    return this.#session.transport.call('GET', apiPath('status'), undefined, {
      signal: signalOf(this.#session, context),
    })
  }

  /** Ends the connection: calls that go on are cancelled, leases are let go of. */
  close(): Promise<void> {
    return this.#close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
