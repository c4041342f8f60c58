import type {
  ErrorEvent,
  EvaluateRequest,
  HeartbeatEvent,
  ResultEvent,
  StreamEvent,
} from '../../definition/index.ts'
import { errorFromWire, MoorageError } from '../../errors/index.ts'
import type { OutputStreamEvent } from '../wire/output-stream.ts'
import type { Transport } from '../wire/transport.ts'

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
  readonly network: string
  /** Of the session that leases hang on. */
  readonly id: string
  /** Aborted when the connection is closed. */
  readonly signal: AbortSignal
  /** Aborted when the daemon has ended the session, and the leases with it. */
  readonly lost: AbortSignal
  readonly onEvent: ((event: StreamEvent) => void) | undefined
  /** Directories that the daemon was seen to have: it says so when one of them is gone. */
  readonly delivered: Set<string>
  /** Directories on their way to the daemon, by digest. */
  readonly uploads: Map<string, Promise<void>>
}

/** The call's own end, and the connection's. */
export function signalOf(session: Session, { signal }: CallContext): AbortSignal {
  return signal ? AbortSignal.any([signal, session.signal]) : session.signal
}

/** A path of the API with a query; what is undefined is left out. */
export function target(path: string, query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const parameters = new URLSearchParams(given).toString()
  return `/v1/${path}${parameters === '' ? '' : `?${parameters}`}`
}

/**
 * The events of a call that are worth telling: no heartbeats.
 *
 * @throws MoorageError what the stream ends with
 */
export async function* eventsOf<Event extends { type: string }>(
  events: AsyncIterable<Event>,
): AsyncGenerator<Exclude<Event, ErrorEvent | HeartbeatEvent>> {
  for await (const event of events) {
    if (event.type === 'error') throw errorFromWire((event as unknown as ErrorEvent).error)
    if (event.type !== 'heartbeat') yield event as Exclude<Event, ErrorEvent | HeartbeatEvent>
  }
}

/**
 * Follows a stream to its result; everybody who wants to is told of what comes before.
 *
 * @param write - takes what a file or a directory holds
 * @throws MoorageError what the stream ends with
 */
export async function resultOf(
  session: Session,
  events: AsyncIterable<StreamEvent | OutputStreamEvent>,
  { onEvent }: CallContext,
  write: (piece: Buffer) => unknown = () => undefined,
): Promise<ResultEvent> {
  for await (const event of eventsOf(events)) {
    if (event.type === 'result') return event
    if (event.type === 'data') {
      // Nothing more is read until this is written: so memory stays small however much there is.
      await write(typeof event.data === 'string' ? Buffer.from(event.data, 'base64') : event.data)
      continue
    }
    // Of a run's output nothing was asked for.
    if (event.type === 'output') continue
    onEvent?.(event)
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
  context: CallContext,
  signal: AbortSignal,
  write?: (piece: Buffer) => unknown,
): Promise<ResultEvent> {
  const body: EvaluateRequest = { ...request, network: session.network }
  const headers = { 'moorage-session': session.id }
  const { transport } = session
  const ask = write === undefined ? transport.stream : transport.output
  return resultOf(session, ask('POST', target('evaluate'), body, { signal, headers }), context, write)
}
