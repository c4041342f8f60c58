import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { DnsError } from './errors.ts'

/** Where to listen: an address, or sockets that are bound already, for example in another network namespace. */
export type Listen = { address: string; port: number } | { udp: UdpSocket; tcp: Server }

/** Answers one message, or drops it. Never rejects. */
export type Handler = (
  message: Buffer,
  client: string,
  transport: 'udp' | 'tcp',
) => Promise<Buffer | undefined> | Buffer | undefined

/** RFC 7766 section 6.2.3: a connection on which nothing happens is closed; destroyed, since its peer may never answer. */
const idleTimeout = 10_000
const mostConnections = 256
const mostOfClient = 16
/** Queries of one connection under way at once; after that it is not read from. */
const mostPipelined = 32
/** No query is longer. */
const longestQuery = 4_096

/** A pair of sockets, UDP and TCP, on one address. */
export interface Listener {
  readonly address: { address: string; port: number }
  close(): Promise<void>
}

/** @throws DnsError LISTEN_FAILED, with what was bound closed again */
export async function listen(where: Listen, handler: Handler): Promise<Listener> {
  const sockets = 'udp' in where ? where : await bind(where)
  serveUdp(sockets.udp, handler)
  const connections = serveTcp(sockets.tcp, handler)
  const { address, port } = sockets.tcp.address() as AddressInfo
  return {
    address: { address, port },
    async close() {
      sockets.udp.close()
      for (const connection of connections) connection.destroy()
      sockets.tcp.close()
      await once(sockets.tcp, 'close')
    },
  }
}

async function bind({
  address,
  port,
}: {
  address: string
  port: number
}): Promise<{ udp: UdpSocket; tcp: Server }> {
  const tcp = createServer()
  const udp = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' })
  try {
    tcp.listen(port, address)
    await once(tcp, 'listening')
    // Port 0: the same for both.
    udp.bind((tcp.address() as AddressInfo).port, address)
    await once(udp, 'listening')
    return { udp, tcp }
  } catch (error) {
    tcp.close()
    udp.close()
    const { message } = error as Error
    throw new DnsError('LISTEN_FAILED', `cannot listen on ${address}:${port}: ${message}`, { cause: error })
  }
}

function serveUdp(socket: UdpSocket, handler: Handler): void {
  let open = true
  socket.on('close', () => {
    open = false
  })
  // An ICMP error of some client before: the socket goes on.
  socket.on('error', () => undefined)
  const send = (answer: Buffer | undefined, port: number, address: string) => {
    if (answer !== undefined && open) socket.send(answer, port, address)
  }
  socket.on('message', (message, { port, address }) => {
    const answer = handler(message, address, 'udp')
    if (answer instanceof Promise) void answer.then((bytes) => send(bytes, port, address))
    else send(answer, port, address)
  })
}

function serveTcp(server: Server, handler: Handler): Set<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    const client = socket.remoteAddress ?? ''
    const sameClient = [...connections].filter(({ remoteAddress }) => remoteAddress === client).length
    if (connections.size >= mostConnections || sameClient >= mostOfClient) return void socket.destroy()
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
    serveConnection(socket, client, handler)
  })
  server.on('error', () => undefined)
  return connections
}

/** Messages behind their length (RFC 1035 section 4.2.2), answered as they are ready, in any order (RFC 7766). */
function serveConnection(socket: Socket, client: string, handler: Handler): void {
  let received = Buffer.alloc(0)
  let underWay = 0
  socket.setTimeout(idleTimeout, () => socket.destroy())
  socket.on('error', () => socket.destroy())

  const answer = async (message: Buffer) => {
    underWay += 1
    if (underWay >= mostPipelined) socket.pause()
    const bytes = await handler(message, client, 'tcp')
    underWay -= 1
    if (socket.destroyed) return
    if (bytes !== undefined) {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(bytes.length)
      socket.write(Buffer.concat([length, bytes]))
    }
    if (underWay < mostPipelined) socket.resume()
  }
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 2) {
      const length = received.readUInt16BE(0)
      if (length > longestQuery) return void socket.destroy()
      if (received.length < 2 + length) return
      const message = Buffer.from(received.subarray(2, 2 + length))
      received = received.subarray(2 + length)
      void answer(message)
    }
  })
}
