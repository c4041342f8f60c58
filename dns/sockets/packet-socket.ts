import type { QueryHandler } from '../answering/handle-query.ts'
import type { Endpoint } from '../wire/address.ts'
import { ClientKeys } from './client-keys.ts'

/** Where a packet came from; good during the call that it is handed to. */
export interface PacketSource {
  /** 4 octets of an IPv4 address, or 16 of an IPv6 one. */
  readonly octets: Uint8Array
  readonly port: number
  /** For an answer that is not ready at once: how to send it, whenever that is. On a closed socket, it does nothing. */
  later(): (answer: Uint8Array, size: number) => void
}

/** What a server does with the packets of a socket. */
export interface PacketHandler {
  /**
   * Answers the packet in the first `size` octets of a buffer by writing over it.
   * @returns how long the answer is; 0 if there is none, or if it comes later
   */
  packet(packet: Buffer, size: number, source: PacketSource): number
  failed(error: Error): void
}

/**
 * A bound UDP socket that is not Node's: one that receives and sends many packets by one system call, as `moorage/netns`
 * has one, or whatever else brings packets. A buffer should have room for 4,097 octets, so that a query that is too long
 * is known as that, and must have room for the answer, else it is truncated.
 */
export interface PacketSocket extends Endpoint {
  /** Begins to receive. Called once. */
  receive(handler: PacketHandler): void
  close(): void | Promise<void>
}

/** Answers what a packet socket receives, where it lies. */
export function servePackets(
  socket: PacketSocket,
  queries: QueryHandler,
  failed: (error: Error) => void,
): void {
  const clientKeys = new ClientKeys()
  // One for all packets: answering is synchronous, and what is forwarded takes a copy.
  const asker = { client: '', transport: 'udp' as const }
  socket.receive({
    packet(packet, size, source) {
      // Nobody can be answered at port 0; whoever sent this did not mean to ask.
      if (source.port === 0) return 0
      asker.client = clientKeys.of(source.octets)
      return queries.handleInPlace(packet, size, asker, source)
    },
    failed,
  })
}
