import { asMoorageError, MoorageError } from '../../errors/index.ts'
import { apiPath } from '../wire/api-path.ts'
import type { Transport } from '../wire/transport.ts'

export interface OpenSession {
  /** The daemon's id of the session. */
  readonly id: string
  /** Resolves when the session has ended, with the reason. */
  readonly ended: Promise<MoorageError>
}

/**
 * Opens the stream that leases hang on; it ends with `signal`. A program that has nothing else left to do ends, and the
 * session with it: it need not be closed.
 */
export async function openSession(transport: Transport, signal: AbortSignal): Promise<OpenSession> {
  const { host } = transport
  const events = transport
    .stream('POST', apiPath('session'), undefined, { signal, idle: true })
    [Symbol.asyncIterator]()
  const first = await events.next()
  if (first.done || first.value.type !== 'session') {
    await events.return?.()
    throw new MoorageError('DAEMON_UNREACHABLE', { host, reason: 'it opened no session' })
  }
  // Read on, so that heartbeats do not pile up.
  const ended = (async () => {
    try {
      while (!(await events.next()).done);
      return new MoorageError('DAEMON_UNREACHABLE', { host, reason: 'it ended the session' })
    } catch (error) {
      return asMoorageError(error)
    }
  })()
  return { id: first.value.id, ended }
}
