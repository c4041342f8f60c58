import { join } from 'node:path'
import type { StreamEvent } from '../definition/index.ts'
import { MoorageError } from '../errors.ts'
import { Moorage } from './moorage.ts'
import { answers, startDaemon } from './start-daemon.ts'
import { createTransport, type Transport } from './transport.ts'

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

/** The address of the daemon to talk to. */
export function hostOf({
  host,
  runtimeDirectory,
}: Pick<ConnectOptions, 'host' | 'runtimeDirectory'> = {}): string {
  const { MOORAGE_HOST, MOORAGE_RUNTIME_DIR } = process.env
  const directory = runtimeDirectory ?? MOORAGE_RUNTIME_DIR ?? '/run/moorage'
  return (
    host ??
    (runtimeDirectory === undefined ? MOORAGE_HOST : undefined) ??
    `unix://${join(directory, 'moorage.sock')}`
  )
}

/**
 * Connects to the daemon, and starts one where there is none: it leaves by itself when nothing has gone on for 10 s.
 *
 * @throws MoorageError DAEMON_UNREACHABLE, DAEMON_START_FAILED, NOT_ROOT, and why a daemon could not start
 * @example
 * await using moorage = await connect()
 */
export async function connect(options: ConnectOptions = {}): Promise<Moorage> {
  const { signal, onEvent, logger, stateDirectory, daemonCommand } = options
  const network = options.network ?? process.env.MOORAGE_NETWORK
  const host = hostOf(options)
  const transport = createTransport(host)
  const closing = new AbortController()
  const ended = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal
  const socket = host.startsWith('unix://') ? host.slice('unix://'.length) : undefined
  if (socket !== undefined && !(await answers(socket))) {
    logger?.debug(`no daemon at ${host}: starting one`)
    await startDaemon({
      socket,
      stateDirectory,
      ...(signal ? { signal } : {}),
      ...(daemonCommand ? { command: daemonCommand } : {}),
    })
  }
  const { id, over } = await openSession(transport, ended)
  const session = { transport, network, id, signal: ended, onEvent }
  return new Moorage(session, async () => {
    closing.abort(new MoorageError('CANCELLED', { reason: 'the connection was closed' }))
    await over
  })
}

/** The stream that leases hang on; it ends with `signal`. */
async function openSession(
  transport: Transport,
  signal: AbortSignal,
): Promise<{ id: string; over: Promise<void> }> {
  const events = transport.stream('POST', '/v1/session', undefined, { signal })[Symbol.asyncIterator]()
  const first = await events.next()
  if (first.done || first.value.type !== 'session') {
    throw new MoorageError('DAEMON_UNREACHABLE', { host: transport.host, reason: 'it opened no session' })
  }
  // Read on, so that heartbeats do not pile up; how it ends concerns nobody any more.
  const over = (async () => {
    try {
      while (!(await events.next()).done);
    } catch {
      // Closed, or the daemon has gone: the calls say so.
    }
  })()
  return { id: first.value.id, over }
}
