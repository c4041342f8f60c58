import type { EvaluateRequest, ResultEvent, StreamEvent } from '../definition/index.ts'
import { errorFromWire, MoorageError } from '../errors.ts'
import type { HostDirectory } from './host-directory.ts'
import type { Transport } from './transport.ts'

/** What every asynchronous call takes. */
export interface CallContext {
  /** Ends this call's interest at once. */
  signal?: AbortSignal
  /** Told what goes on. */
  onEvent?: (event: StreamEvent) => void
}

/** What all objects of one `connect()` share. */
export interface Session {
  readonly transport: Transport
  readonly network: string | undefined
  /** Of the session that leases hang on. */
  readonly id: string
  readonly signal: AbortSignal
  readonly onEvent: ((event: StreamEvent) => void) | undefined
}

/** The call's own end, and the session's. */
export function signalOf(session: Session, { signal }: CallContext): AbortSignal {
  return signal ? AbortSignal.any([signal, session.signal]) : session.signal
}

/**
 * Follows a stream to its result. What the daemon lacks of directories is sent first.
 *
 * @throws MoorageError what the stream ends with
 */
export async function follow(
  session: Session,
  path: string,
  body: unknown,
  directories: readonly HostDirectory[],
  context: CallContext = {},
): Promise<ResultEvent> {
  const signal = signalOf(session, context)
  await sendDirectories(session, directories, signal)
  const headers = { 'moorage-session': session.id }
  for await (const event of session.transport.stream('POST', path, body, { signal, headers })) {
    if (event.type === 'result') return event
    if (event.type === 'error') throw errorFromWire(event.error)
    if (event.type === 'heartbeat') continue
    context.onEvent?.(event)
    session.onEvent?.(event)
  }
  throw new MoorageError('DAEMON_UNREACHABLE', {
    host: session.transport.host,
    reason: 'it went away before the answer came',
  })
}

/** Evaluates a definition's output. */
export function evaluate(
  session: Session,
  request: Omit<EvaluateRequest, 'network'>,
  directories: readonly HostDirectory[],
  context?: CallContext,
): Promise<ResultEvent> {
  return follow(session, '/v1/evaluate', withNetwork(session, request), directories, context)
}

export function withNetwork<T extends object>({ network }: Session, body: T): T & { network?: string } {
  return network === undefined ? body : { ...body, network }
}

/** Sends what the daemon has not got yet of the directories that a definition names. */
export async function sendDirectories(
  { transport }: Session,
  directories: readonly HostDirectory[],
  signal: AbortSignal,
): Promise<void> {
  if (directories.length === 0) return
  const byDigest = new Map<string, HostDirectory>()
  for (const directory of directories) byDigest.set(await directory.digest(), directory)
  const { missing } = await transport.call<{ missing: string[] }>(
    'POST',
    '/v1/blobs/missing',
    { digests: [...byDigest.keys()] },
    { signal },
  )
  for (const digest of missing) {
    const tar = await byDigest.get(digest)?.tar(signal)
    if (tar) await transport.upload(`/v1/blobs/${digest}`, 'application/x-tar', tar, { signal })
  }
}
