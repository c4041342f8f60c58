import { createFlights } from '../concurrency/index.ts'
import type { StreamEvent } from '../definition/index.ts'
import { MoorageError } from '../errors/index.ts'
import { cancellation } from './cancellation.ts'
import { isDaemonThere, startDaemon } from './daemon/start-daemon.ts'
import { Moorage } from './moorage.ts'
import { type OpenSession, openSession } from './session/open-session.ts'
import type { Session } from './session/session.ts'
import { hostOf, parseAddress } from './wire/daemon-address.ts'
import { createTransport, type Transport } from './wire/transport.ts'

export interface ConnectOptions {
  /** Address of the daemon: `unix:///path` or `http://host:port`. @defaultValue `MOORAGE_HOST`, else the default socket */
  host?: string
  /** The scope in which services are shared. @defaultValue `MOORAGE_NETWORK`, else `default` */
  network?: string
  /** Closes the connection. */
  signal?: AbortSignal
  /** Gets every event of every call. */
  onEvent?: (event: StreamEvent) => void
  /** Gets a line for each step of `connect`; `console` fits. */
  logger?: { debug(message: string): void }
  /** State directory of a daemon that is started. @defaultValue `MOORAGE_STATE_DIR`, else the daemon's own */
  stateDirectory?: string
  /** Directory of the default socket. @defaultValue `MOORAGE_RUNTIME_DIR`, else `/run/moorage` */
  runtimeDirectory?: string
  /** The command that starts a daemon. @defaultValue this package's CLI */
  daemonCommand?: readonly string[]
}

/** Attempts to connect, when the daemon leaves each time just before its session is opened. */
const attempts = 5

/**
 * Connects to the daemon, and starts one where there is none: that one leaves by itself after 10 s without work.
 *
 * @throws MoorageError DAEMON_UNREACHABLE, DAEMON_START_FAILED, NOT_ROOT, CANCELLED, and the error of a daemon that
 * could not start
 * @example
 * await using moorage = await connect()
 */
export async function connect(options: ConnectOptions = {}): Promise<Moorage> {
  const { signal, onEvent } = options
  // Nothing is started for a call that is cancelled already.
  if (signal?.aborted) throw cancellation(signal)
  const network = options.network ?? (process.env.MOORAGE_NETWORK || 'default')
  const transport = createTransport(hostOf(options))
  const closing = new AbortController()
  const closed = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal
  const { id, ended } = await reachDaemon(transport, options, closed)
  const lost = new AbortController()
  const gone = ended.then((reason) => lost.abort(reason))
  const session: Session = {
    transport,
    network,
    id,
    signal: closed,
    lost: lost.signal,
    onEvent,
    delivered: new Set(),
    uploads: createFlights(),
  }
  return new Moorage(session, async () => {
    closing.abort(new MoorageError('CANCELLED', { reason: 'the connection was closed' }))
    await gone
  })
}

/** Opens a session with the daemon that is there, or with one that is started; the session ends with `closed`. */
async function reachDaemon(
  transport: Transport,
  { signal, logger, stateDirectory, daemonCommand }: ConnectOptions,
  closed: AbortSignal,
): Promise<OpenSession> {
  const { host } = transport
  const address = parseAddress(host)
  for (let attempt = 1; ; attempt++) {
    if ('socketPath' in address && !(await isDaemonThere(address.socketPath))) {
      logger?.debug(`no daemon at ${host}: starting one`)
      await startDaemon({ socket: address.socketPath, stateDirectory, signal, command: daemonCommand })
    }
    try {
      return await openSession(transport, closed)
    } catch (error) {
      // An idle daemon left between the two requests: another one is started.
      const hasLeft = error instanceof MoorageError && /^DAEMON_(UNREACHABLE|STOPPING)$/.test(error.code)
      if (!hasLeft || !('socketPath' in address) || attempt === attempts) throw error
      logger?.debug(`${error.sentence}; trying again`)
    }
  }
}
