import type { DirectoryFilter, Status } from '../definition/index.ts'
import { CacheVolume } from './cache-volume.ts'
import { Container } from './container.ts'
import { HostDirectory } from './host-directory.ts'
import { notYet } from './not-yet.ts'
import { type CallContext, type Session, signalOf } from './session.ts'

/** What this machine gives: read by this process, never by the daemon. */
export interface Host {
  /** A directory by its content. */
  directory(path: string, filter?: DirectoryFilter): HostDirectory
  service(...args: unknown[]): never
}

/** A connection to a daemon: where descriptions begin. Leases taken over it end with it. */
export class Moorage implements AsyncDisposable {
  readonly #session: Session
  readonly #close: () => Promise<void>
  readonly host: Host = {
    directory: (path, filter) => new HostDirectory(path, filter),
    service: () => notYet('host.service (F9)'),
  }

  constructor(session: Session, close: () => Promise<void>) {
    this.#session = session
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

  directory(..._: unknown[]): never {
    return notYet('directory (F27)')
  }
  http(..._: unknown[]): never {
    return notYet('http (F27)')
  }
  secret(..._: unknown[]): never {
    return notYet('secret (F28)')
  }
  events(..._: unknown[]): never {
    return notYet('events (F32)')
  }

  /** What runs, why, and what is wrong. */
  status(context: CallContext = {}): Promise<Status> {
    return this.#session.transport.call('GET', '/v1/status', undefined, {
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
