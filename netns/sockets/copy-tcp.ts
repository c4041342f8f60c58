/** Copies TCP connections: each connection to a server gets one of its own to somewhere else. */
import type net from 'node:net'

export interface TcpForwardOptions {
  /** It must have `allowHalfOpen` and `pauseOnConnect`; it is closed with the forward. */
  server: net.Server
  /** Connects to the target, with `allowHalfOpen`. */
  dial: (signal: AbortSignal) => Promise<net.Socket>
  /** Tells whether a client may connect; the connections of others are reset. */
  admits: (client: string) => boolean
  /** Connections at one time; more are reset. */
  limit: number
}

export interface Copying {
  /** Connections, or UDP clients, at this moment. */
  readonly size: number
  /** Cuts off all connections; resolves when nothing is open any more. */
  close(): Promise<void>
}

/**
 * Copies connections as if there was nothing between. Each direction ends by itself: a side that has sent all may still
 * read. A reset on one side is one on the other. A slow reader slows the writer (pipe), so that nothing piles up here.
 */
export function forwardTcp({ server, dial, admits, limit }: TcpForwardOptions): Copying {
  const open = new Set<net.Socket>()
  const targets = new Set<net.Socket>()
  const closing = new AbortController()

  server.on('connection', async (client: net.Socket) => {
    // As if nobody listened there: the client's own error says so.
    if (open.size >= limit || !admits(plainAddress(client.remoteAddress))) return void reset(client)
    open.add(client)
    client.once('close', () => open.delete(client))
    const gone = new AbortController()
    const leave = () => gone.abort(new Error('the client has gone'))
    client.on('error', leave).once('close', leave)
    try {
      const target = await dial(AbortSignal.any([gone.signal, closing.signal]))
      client.off('error', leave).off('close', leave)
      if (client.destroyed) return void reset(target)
      targets.add(target)
      target.once('close', () => targets.delete(target))
      join(client, target)
    } catch {
      reset(client)
    }
  })

  return {
    get size() {
      return open.size
    },
    async close() {
      closing.abort(new Error('the forward was closed'))
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // Both ends at once, and before this returns: afterwards there may be no network to carry the news.
      for (const socket of [...open, ...targets]) reset(socket)
      await closed
    },
  }
}

/** Returns the IPv4 address of an IPv4 client of an IPv6 socket; others as they are. */
const plainAddress = (address = '') => address.replace(/^::ffff:(?=\d+\.)/, '')

function join(client: net.Socket, target: net.Socket): void {
  for (const [one, other] of [
    [client, target],
    [target, client],
  ] as const) {
    // Small writes of an interactive protocol are not held back for the acknowledgement of the last.
    one.setNoDelay(true)
    one.on('error', () => reset(other))
    // A socket that both sides ended closes without an error, and the other one is about to. If it closes before that,
    // we cut it off.
    one.once('close', () => {
      if (!one.readableEnded || !one.writableFinished) reset(other)
    })
    one.pipe(other)
  }
}

/** Destroys a socket with a RST instead of a FIN: its peer shall not take it for an end. */
function reset(socket: net.Socket): void {
  socket.on('error', () => {})
  if (!socket.destroyed) socket.resetAndDestroy()
}
