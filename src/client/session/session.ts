import type { Flights } from '../../concurrency/index.ts'
import type { StreamEvent } from '../../definition/index.ts'
import type { Transport } from '../wire/transport.ts'

/** Options of every asynchronous call. */
export interface CallContext {
  /** Cancels the call at once: it rejects with CANCELLED, and the daemon no longer counts its interest. */
  signal?: AbortSignal
  /** Gets the events of the call: progress, images, services. */
  onEvent?: (event: StreamEvent) => void
}

/** One `connect()`, which all objects that it gave share. */
export interface Session {
  readonly transport: Transport
  readonly network: string
  /** The daemon's id of the session; leases hang on it. */
  readonly id: string
  /** Aborted when the connection is closed. */
  readonly signal: AbortSignal
  /** Aborted when the daemon has ended the session, and the leases with it. */
  readonly lost: AbortSignal
  readonly onEvent: ((event: StreamEvent) => void) | undefined
  /** Digests of directories that the daemon has, or had: it answers BLOB_MISSING when one of them is gone. */
  readonly delivered: Set<string>
  /** Directories on their way to the daemon, by digest. */
  readonly uploads: Flights
}

/** Aborted when the call is cancelled, and when the connection is closed. */
export function signalOf(session: Session, { signal }: CallContext): AbortSignal {
  return signal ? AbortSignal.any([signal, session.signal]) : session.signal
}
