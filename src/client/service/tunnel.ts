import { setTimeout as sleep } from 'node:timers/promises'
import type { PortForward, ResultEvent, ServiceRow, StreamEvent } from '../../definition/index.ts'
import { asMoorageError, MoorageError } from '../../errors/index.ts'
import { resultOf } from '../session/result.ts'
import type { Session } from '../session/session.ts'
import { apiPath } from '../wire/api-path.ts'
import { eventsOf } from '../wire/events.ts'

/** The longest time in milliseconds that a daemon may take to close ports. */
const closingTime = 2_000
/** Interval of asking the daemon meanwhile, in milliseconds. */
const askInterval = 5

/** Ports of the daemon's host that lead to a service as long as the tunnel is open. It keeps the program running. */
export class Tunnel implements AsyncDisposable {
  /** Which port leads where; in place of a host port 0 stands the one that was found. */
  readonly ports: readonly PortForward[]
  /** Resolves when the tunnel is closed; with the reason, unless `close()` was called. */
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

  /** Closes the tunnel. Resolves when its ports are free again. */
  async close(): Promise<void> {
    await this.#close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Opens a stream by `open`, and returns a tunnel once its ports are known. The tunnel lasts as long as the stream. */
export async function openTunnel(
  session: Session,
  signal: AbortSignal,
  onEvent: ((event: StreamEvent) => void) | undefined,
  open: (signal: AbortSignal) => AsyncIterable<StreamEvent>,
): Promise<Tunnel> {
  const closing = new AbortController()
  const events = open(AbortSignal.any([signal, closing.signal]))[Symbol.asyncIterator]()
  // A loop that is left early closes its iterator; not this one, which is read on after the result.
  const stayingOpen = { [Symbol.asyncIterator]: () => ({ next: () => events.next() }) }
  let result: ResultEvent
  try {
    result = await resultOf(session, stayingOpen, onEvent ? { onEvent } : {})
  } catch (error) {
    await events.return?.()
    throw error
  }
  const closed = (async () => {
    try {
      for await (const event of eventsOf(stayingOpen)) session.onEvent?.(event)
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
