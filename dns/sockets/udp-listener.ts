import type { RemoteInfo, Socket } from 'node:dgram'
import type { QueryHandler, Send } from '../answering/handle-query.ts'
import { clientKey } from '../wire/address.ts'

/** Octets, for any query and its answer. A message longer than 4,096 octets is cut, and refused as too long. */
const room = 4224

interface Received {
  readonly message: Buffer
  readonly from: RemoteInfo
}

/**
 * Answers the messages of a bound socket.
 * @param failed called when an answer could not be sent, or the socket failed
 */
export function serveUdp(socket: Socket, queries: QueryHandler, failed: (error: Error) => void): void {
  const sent = (error: Error | null) => {
    if (error !== null) failed(error)
  }

  const send = (reply: Buffer, size: number, { address, port }: RemoteInfo) => {
    // A copy, as the kernel may take the octets later.
    const copy = Buffer.allocUnsafe(size)
    reply.copy(copy, 0, 0, size)
    try {
      socket.send(copy, port, address, sent)
    } catch (error) {
      // The socket's owner has closed it.
      failed(error as Error)
    }
  }

  // One of each for all messages: answering is synchronous, and forwarding takes a copy.
  const packet = Buffer.alloc(room)
  const asker = { client: '', transport: 'udp' as const }
  let asking: RemoteInfo | undefined
  const source = {
    later(): Send {
      const from = asking as RemoteInfo
      return (reply, size) => send(reply, size, from)
    },
  }
  const handle = ({ message, from }: Received) => {
    asking = from
    asker.client = clientKey(from.address)
    const size = queries.handleInPlace(packet, message.copy(packet), asker, source)
    if (size > 0) send(packet, size, from)
  }

  let received: Received[] = []
  const handleAll = () => {
    const batch = received
    received = []
    for (const datagram of batch) handle(datagram)
  }

  socket.on('error', failed)
  socket.on('message', (message, from) => {
    // No answer can be sent to port 0, so this is no real query.
    if (from.port === 0) return
    // Messages are answered together, once the socket has given all that it gives in a turn of the event loop, at most
    // 32: receiving and sending by turns costs a third more (docs/decisions.md).
    if (received.push({ message, from }) === 1) setImmediate(handleAll)
  })
}
