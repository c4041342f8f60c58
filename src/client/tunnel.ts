import type { PortForward, ResultEvent, StreamEvent } from '../definition/index.ts'
import { asMoorageError, MoorageError } from '../errors.ts'
import { eventsOf, resultOf, type Session } from './session.ts'

/** Ports of this machine that lead to a service, for as long as it is open. */
export class Tunnel implements AsyncDisposable {
  /** What leads where; a host port that was asked for as 0 is the one that was found. */
  readonly ports: readonly PortForward[]
  /** Resolves when it is closed; with the reason, when nobody asked for it. */
  readonly closed: Promise<MoorageError | undefined>
  readonly #close: () => void

  constructor(ports: readonly PortForward[], closed: Promise<MoorageError | undefined>, close: () => void) {
    this.ports = ports
    this.closed = closed
    this.#close = close
  }

  async close(): Promise<void> {
    this.#close()
    await this.closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Opens a stream by `open`, and makes a tunnel of it once its ports are known: the open stream is the tunnel. */
export async function openTunnel(
  session: Session,
  signal: AbortSignal,
  onEvent: ((event: StreamEvent) => void) | undefined,
  open: (signal: AbortSignal) => AsyncIterable<StreamEvent>,
): Promise<Tunnel> {
  const closing = new AbortController()
  const events = open(AbortSignal.any([signal, closing.signal]))[Symbol.asyncIterator]()
  // Not closed by whoever iterates over it, so that it can be read on after its result.
  const kept = { [Symbol.asyncIterator]: () => ({ next: () => events.next() }) }
  let result: ResultEvent
  try {
    result = await resultOf(session, kept, onEvent ? { onEvent } : {})
  } catch (error) {
    await events.return?.()
    throw error
  }
  const closed = (async () => {
    try {
      for await (const event of eventsOf(kept)) session.onEvent?.(event)
      return new MoorageError('DAEMON_UNREACHABLE', {
        host: session.transport.host,
        reason: 'it closed the tunnel',
      })
    } catch (error) {
      return closing.signal.aborted || signal.aborted ? undefined : asMoorageError(error)
    }
  })()
  return new Tunnel(result.ports ?? [], closed, () =>
    closing.abort(new MoorageError('CANCELLED', { reason: 'the tunnel was closed' })),
  )
}
