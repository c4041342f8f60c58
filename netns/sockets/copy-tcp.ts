/** Copying TCP connections: whoever connects to a server is given one of its own to somewhere else. */
import type net from 'node:net'

export interface TcpForwardOptions {
  /** It must have `allowHalfOpen` and `pauseOnConnect`; it is closed with the forward. */
  server: net.Server
  /** A connection to where it leads, with `allowHalfOpen`. */
  dial: (signal: AbortSignal) => Promise<net.Socket>
  /** Whether a client may; the others' connections are reset. */
  admits: (client: string) => boolean
  /** Connections at one time; what is above is reset. */
  limit: number
}

export interface Copying {
  /** Connections, or UDP clients, at this moment. */
  readonly size: number
  /** Resolves when nothing is open any more; what is under way is cut off. */
  close(): Promise<void>
}

/**
 * Each direction ends by itself, as it does without a forward between: one who has sent all may still read. A reset on
 * one side is one on the other. A slow reader slows the writer (pipe), so that nothing piles up here.
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

/** An IPv4 client of an IPv6 socket is known by its IPv4 address. */
const plainAddress = (address = '') => address.replace(/^::ffff:(?=\d+\.)/, '')

function join(client: net.Socket, target: net.Socket): void {
  for (const [one, other] of [
    [client, target],
    [target, client],
  ] as const) {
    // Small writes of an interactive protocol are not held back for the acknowledgement of the last.
    one.setNoDelay(true)
    one.on('error', () => reset(other))
    // Ended by both sides it is closed without an error, and the other is about to be as well. Closed before that, it
    // was cut off by us.
    one.once('close', () => {
      if (!one.readableEnded || !one.writableFinished) reset(other)
    })
    one.pipe(other)
  }
}

/** Destroys it with a RST instead of a FIN: its peer shall not take it for an end. */
function reset(socket: net.Socket): void {
  socket.on('error', () => {})
  if (!socket.destroyed) socket.resetAndDestroy()
}
