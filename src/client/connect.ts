import { join, resolve } from 'node:path'
import type { StreamEvent } from '../definition/index.ts'
import { asMoorageError, MoorageError } from '../errors/index.ts'
import { cancellation } from './cancellation.ts'
import { answers, startDaemon } from './daemon/start-daemon.ts'
import { Moorage } from './moorage.ts'
import { parseAddress } from './wire/daemon-address.ts'
import { createTransport, type Transport } from './wire/transport.ts'

export interface ConnectOptions {
  /** `unix:///path` or `http://host:port`. @defaultValue `MOORAGE_HOST`, else the default socket */
  host?: string
  /** The scope in which services are shared. @defaultValue `MOORAGE_NETWORK`, else `default` */
  network?: string
  /** Ends the connection. */
  signal?: AbortSignal
  /** Told of every event of every call. */
  onEvent?: (event: StreamEvent) => void
  /** Told what `connect` does; console fits. */
  logger?: { debug(message: string): void }
  /** For a daemon that is started: where its state goes. */
  stateDirectory?: string
  /** Where the default socket is looked for. @defaultValue `MOORAGE_RUNTIME_DIR`, else `/run/moorage` */
  runtimeDirectory?: string
  /** For a daemon that is started: what to run. */
  daemonCommand?: readonly string[]
}

/** How often a daemon may leave just when it is connected to. */
const attempts = 5

/** The address of the daemon to talk to. */
export function hostOf({
  host,
  runtimeDirectory,
}: Pick<ConnectOptions, 'host' | 'runtimeDirectory'> = {}): string {
  const { MOORAGE_HOST, MOORAGE_RUNTIME_DIR } = process.env
  const directory = runtimeDirectory ?? (MOORAGE_RUNTIME_DIR || '/run/moorage')
  return (
    host ||
    (runtimeDirectory === undefined ? MOORAGE_HOST : undefined) ||
    `unix://${join(resolve(directory), 'moorage.sock')}`
  )
}

/**
 * Connects to the daemon, and starts one where there is none: it leaves by itself when nothing has gone on for 10 s.
 *
 * @throws MoorageError DAEMON_UNREACHABLE, DAEMON_START_FAILED, NOT_ROOT, CANCELLED, and why a daemon could not start
 * @example
 * await using moorage = await connect()
 */
export async function connect(options: ConnectOptions = {}): Promise<Moorage> {
  const { signal, onEvent } = options
  // Before anything is started for somebody who has gone.
  if (signal?.aborted) throw cancellation(signal)
  const network = options.network ?? (process.env.MOORAGE_NETWORK || 'default')
  const transport = createTransport(hostOf(options))
  const closing = new AbortController()
  const ended = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal
  const { id, over } = await reach(transport, options, ended)
  const lost = new AbortController()
  const gone = over.then((reason) => lost.abort(reason))
  const session = {
    transport,
    network,
    id,
    signal: ended,
    lost: lost.signal,
    onEvent,
    delivered: new Set<string>(),
    uploads: new Map(),
  }
  return new Moorage(session, async () => {
    closing.abort(new MoorageError('CANCELLED', { reason: 'the connection was closed' }))
    await gone
  })
}

interface OpenSession {
  readonly id: string
  /** Resolves when it has ended, with why. */
  readonly over: Promise<MoorageError>
}

/** A session with the daemon that is there, or with one that is started. */
async function reach(
  transport: Transport,
  { signal, logger, stateDirectory, daemonCommand }: ConnectOptions,
  ended: AbortSignal,
): Promise<OpenSession> {
  const { host } = transport
  const address = parseAddress(host)
  for (let attempt = 1; ; attempt++) {
    if ('socketPath' in address && !(await answers(address.socketPath))) {
      logger?.debug(`no daemon at ${host}: starting one`)
      await startDaemon({ socket: address.socketPath, stateDirectory, signal, command: daemonCommand })
    }
    try {
      return await openSession(transport, ended)
    } catch (error) {
      // It left between the two questions, since nothing had gone on: another one is started.
      const left = error instanceof MoorageError && /^DAEMON_(UNREACHABLE|STOPPING)$/.test(error.code)
      if (!left || !('socketPath' in address) || attempt === attempts) throw error
      logger?.debug(`${error.message}; trying again`)
    }
  }
}

/** The stream that leases hang on; it ends with `signal`. */
async function openSession(transport: Transport, signal: AbortSignal): Promise<OpenSession> {
  const { host } = transport
  const events = transport.stream('POST', '/v1/session', undefined, { signal })[Symbol.asyncIterator]()
  const first = await events.next()
  if (first.done || first.value.type !== 'session') {
    await events.return?.()
    throw new MoorageError('DAEMON_UNREACHABLE', { host, reason: 'it opened no session' })
  }
  // Read on, so that heartbeats do not pile up.
  const over = (async () => {
    try {
      while (!(await events.next()).done);
      return new MoorageError('DAEMON_UNREACHABLE', { host, reason: 'it ended the session' })
    } catch (error) {
      return asMoorageError(error)
    }
  })()
  return { id: first.value.id, over }
}
