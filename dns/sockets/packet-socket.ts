import type { QueryHandler } from '../answering/handle-query.ts'
import type { Endpoint } from '../wire/address.ts'
import { ClientKeys } from './client-keys.ts'

/** The source of a packet; valid only during the call that gets it. */
export interface PacketSource {
  /** 4 octets of an IPv4 address, or 16 of an IPv6 one. */
  readonly octets: Uint8Array
  readonly port: number
  /**
   * Returns a function that sends an answer which is not ready at once, at any later time. On a closed socket it does
   * nothing.
   */
  later(): (answer: Uint8Array, size: number) => void
}

/** The server's side of a packet socket. */
export interface PacketHandler {
  /**
   * Answers the packet in the first `size` octets of a buffer by writing over it.
   * @returns the size of the answer; 0 if there is none, or if it comes later
   */
  packet(packet: Buffer, size: number, source: PacketSource): number
  failed(error: Error): void
}

/**
 * A bound UDP socket that is not Node's, such as that of `moorage/netns`, which receives and sends many packets by one
 * system call. A buffer should have room for 4,097 octets, so that a query that is too long is recognised, and for the
 * answer, which is truncated otherwise.
 */
export interface PacketSocket extends Endpoint {
  /** Begins to receive. Called once. */
  receive(handler: PacketHandler): void
  close(): void | Promise<void>
}

/** Answers the packets of a packet socket in place. */
export function servePackets(
  socket: PacketSocket,
  queries: QueryHandler,
  failed: (error: Error) => void,
): void {
  const clientKeys = new ClientKeys()
  // One for all packets: answering is synchronous, and forwarding takes a copy.
  const asker = { client: '', transport: 'udp' as const }
  socket.receive({
    packet(packet, size, source) {
      // No answer can be sent to port 0, so this is no real query.
      if (source.port === 0) return 0
      asker.client = clientKeys.of(source.octets)
      return queries.handleInPlace(packet, size, asker, source)
    },
    failed,
  })
}
