import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

/** Answers a query as the test wants it. `undefined` is silence. */
export type Behaviour = (query: Buffer, transport: 'udp' | 'tcp') => Buffer | Buffer[] | undefined

export interface FakeUpstream extends AsyncDisposable {
  /** Its address, in the form of the option `upstreams`. */
  readonly where: string
  readonly port: number
  /** The queries that it received, over both transports, without the probes of the loop guard. */
  readonly queries: { message: Buffer; transport: 'udp' | 'tcp'; port: number }[]
  /** Sends a datagram to the client that asked over UDP from that port, or to the last one. */
  say(message: Buffer, port?: number): void
}

/**
 * A resolver on loopback that behaves as the test says. Unless `probes` is set, it answers the probes of the loop guard
 * by itself, and does not record them.
 */
export async function fakeUpstream(behave: Behaviour, { probes = false } = {}): Promise<FakeUpstream> {
  const tcp = createServer()
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const address = tcp.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const udp = createSocket('udp4')
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  const queries: FakeUpstream['queries'] = []
  let asker: RemoteInfo | undefined
  udp.on('message', (message, from) => {
    if (!probes && message.includes('moorage-loop-check')) {
      udp.send(answerTo(message, [], { rcode: 3 }), from.port, from.address)
      return
    }
    asker = from
    queries.push({ message, transport: 'udp', port: from.port })
    for (const answer of [behave(message, 'udp') ?? []].flat()) udp.send(answer, from.port, from.address)
  })
  const sockets = new Set<Socket>()
  tcp.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => sockets.delete(socket))
    socket.on('close', () => sockets.delete(socket))
    let received: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const message = received.subarray(2, 2 + received.readUInt16BE(0))
      queries.push({ message, transport: 'tcp', port: socket.remotePort ?? 0 })
      for (const answer of [behave(message, 'tcp') ?? []].flat()) socket.write(frame(answer))
    })
  })
  return {
    where: `127.0.0.1:${port}`,
    port,
    queries,
    say(message, port = asker?.port) {
      if (port !== undefined) udp.send(message, port, '127.0.0.1')
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await Promise.all([closed(udp), new Promise((resolve) => tcp.close(resolve))])
    },
  }
}

function closed(socket: UdpSocket): Promise<void> {
  return new Promise((resolve) => void socket.close(() => resolve()))
}

export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** The offset at which the question of a query ends. */
export function questionEnd(query: Buffer): number {
  let at = 12
  while (query[at] !== 0) at += (query[at] ?? 0) + 1
  return at + 5
}

/** An answer to a query with these IPv4 addresses; other fields as the test wants them. */
export function answerTo(
  query: Buffer,
  addresses: string[] = [],
  { rcode = 0, flags = 0x8180, id = query.readUInt16BE(0) } = {},
): Buffer {
  const end = questionEnd(query)
  const records = addresses.map((address) =>
    Buffer.concat([
      Buffer.from('c00c000100010000003c0004', 'hex'),
      Buffer.from(address.split('.').map(Number)),
    ]),
  )
  const answer = Buffer.concat([query.subarray(0, end), ...records])
  answer.writeUInt16BE(id, 0)
  answer.writeUInt16BE(flags | rcode, 2)
  answer.writeUInt16BE(addresses.length, 6)
  answer.writeUInt16BE(0, 8)
  answer.writeUInt16BE(0, 10)
  return answer
}
