import { setTimeout as sleep } from 'node:timers/promises'
import type { PortForward, ResultEvent, ServiceRow, StreamEvent } from '../../definition/index.ts'
import { asMoorageError, MoorageError } from '../../errors/index.ts'
import { resultOf } from '../session/result.ts'
import type { Session } from '../session/session.ts'
import { apiPath } from '../wire/api-path.ts'
import { eventsOf } from '../wire/events.ts'

/** How long a daemon may take to close ports, in milliseconds, and how often it is asked whether it has. */
const closingTime = 2_000
const askInterval = 5

/** Ports of this machine that lead to a service, for as long as it is open. */
export class Tunnel implements AsyncDisposable {
  /** What leads where; a host port that was asked for as 0 is the one that was found. */
  readonly ports: readonly PortForward[]
  /** Resolves when it is closed; with the reason, when nobody asked for it. */
  readonly closed: Promise<MoorageError | undefined>
  readonly #close: () => Promise<void>

  constructor(
    ports: readonly PortForward[],
    closed: Promise<MoorageError | undefined>,
    close: () => Promise<void>,
  ) {
    this.ports = ports
    this.closed = closed
    this.#close = close
  }

  /** Resolves when its ports are free again. */
  async close(): Promise<void> {
    await this.#close()
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
  const { ports = [], service } = result
  return new Tunnel(ports, closed, async () => {
    closing.abort(new MoorageError('CANCELLED', { reason: 'the tunnel was closed' }))
    await closed
    if (service !== undefined && !signal.aborted) await portsClosed(session, service, ports)
  })
}

/**
 * Waits until none of the ports leads to the service any more: the daemon learns of the stream's end in its own time,
 * and closes them then.
 */
async function portsClosed(
  { transport }: Session,
  { label, network }: ServiceRow,
  ports: readonly PortForward[],
): Promise<void> {
  const path = apiPath(`services/${label}`, { network })
  for (const end = performance.now() + closingTime; performance.now() < end; await sleep(askInterval)) {
    // A daemon that is gone, or no longer knows the service, has no port of it.
    const answer = await transport.call<{ service?: ServiceRow }>('GET', path).catch(() => undefined)
    const open = answer?.service?.hostPorts ?? []
    if (!open.some((listed) => ports.some((port) => isSame(port, listed)))) return
  }
}

function isSame(one: PortForward, other: PortForward): boolean {
  const { address = '127.0.0.1', protocol = 'tcp' } = one
  return (
    one.host === other.host &&
    one.service === other.service &&
    address === (other.address ?? '127.0.0.1') &&
    protocol === (other.protocol ?? 'tcp')
  )
}
