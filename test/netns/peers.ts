/** Real servers and clients inside namespaces, TCP and UDP, and how quickly they get which answer. */
import { once } from 'node:events'
import { isIPv6, type Socket } from 'node:net'
import { bindUdp, connectTcp, listenTcp } from '../../netns/sockets/sockets.ts'

interface Test {
  teardown(fn: () => unknown): unknown
}

/** Echoes whatever it gets, by TCP and UDP, at every address of a namespace. */
export async function serveEcho(t: Test, namespace: number, port: number, ipv6 = false): Promise<void> {
  for (const address of ipv6 ? ['0.0.0.0', '::'] : ['0.0.0.0']) {
    const tcp = await listenTcp(namespace, address, port)
    const clients = new Set<Socket>()
    tcp.on('connection', (client) => {
      clients.add(client.on('error', () => {}).on('close', () => clients.delete(client)))
      client.pipe(client)
    })
    const udp = bindUdp(namespace, address, port)
    udp.on('message', (message, from) => udp.send(message, from.port, from.address, () => {}))
    t.teardown(() => {
      tcp.close()
      // One that was cut off hears of no end.
      for (const client of clients) client.destroy()
      udp.close()
    })
  }
}

/** The outcome of an attempt: `open`, the error's code, or `TIMEOUT`; and after how many milliseconds. */
export interface Attempt {
  result: string
  took: number
}

const patience = 2000

async function timed(attempt: () => Promise<string>): Promise<Attempt> {
  const begin = performance.now()
  const result = await attempt().catch(
    (error: { code?: string; message: string }) => error.code ?? error.message,
  )
  return { result, took: performance.now() - begin }
}

/** Sends bytes by TCP and awaits them back. */
export function tryTcp(namespace: number, address: string, port: number, bytes = 1): Promise<Attempt> {
  return timed(async () => {
    const connection = await connectTcp(namespace, address, port, { timeout: patience })
    try {
      const limit = AbortSignal.timeout(patience * 2)
      connection.write(Buffer.alloc(bytes, 1))
      let received = 0
      while (received < bytes) {
        const [chunk] = await once(connection, 'data', { signal: limit })
        received += chunk.length
      }
      return 'open'
    } finally {
      connection.destroy()
    }
  })
}

/** Sends a datagram and awaits it back. */
export function tryUdp(namespace: number, address: string, port: number, bytes = 1): Promise<Attempt> {
  return timed(async () => {
    const socket = bindUdp(namespace, isIPv6(address) ? '::' : '0.0.0.0', 0)
    try {
      const failed = once(socket, 'error').then(([error]) => Promise.reject(error))
      failed.catch(() => {})
      // Connected, so that it is told of refusals.
      socket.connect(port, address)
      await Promise.race([once(socket, 'connect'), failed])
      const limit = AbortSignal.timeout(patience)
      const answered = once(socket, 'message', { signal: limit })
      socket.send(Buffer.alloc(bytes, 1))
      const [message] = await Promise.race([answered, failed]).catch((error) => {
        throw limit.aborted ? Object.assign(new Error('silence'), { code: 'TIMEOUT' }) : error
      })
      return message.length === bytes ? 'open' : `${message.length} bytes of ${bytes}`
    } finally {
      socket.close()
    }
  })
}
