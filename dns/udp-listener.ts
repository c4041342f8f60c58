import type { Socket } from 'node:dgram'
import { clientKey } from './address.ts'
import type { Server } from './serve.ts'

/**
 * Answers what a bound socket receives.
 * @param failed is told when an answer could not be sent, or the socket failed
 */
export function serveUdp(socket: Socket, server: Server, failed: (error: Error) => void): void {
  const sent = (error: Error | null) => {
    if (error !== null) failed(error)
  }
  socket.on('error', failed)
  socket.on('message', (message, { address, port }) => {
    // Nobody can be answered at port 0; whoever sent this did not mean to ask.
    if (port === 0) return
    void server.serve(message, { client: clientKey(address), transport: 'udp' }, (answer, size) => {
      // A copy, as the kernel may take it later.
      const copy = Buffer.allocUnsafe(size)
      answer.copy(copy, 0, 0, size)
      socket.send(copy, port, address, sent)
    })
  })
}
