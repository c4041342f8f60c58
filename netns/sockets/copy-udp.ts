/** Copies datagrams: each client of a socket gets a socket of its own to the target, so that answers find back. */
import type dgram from 'node:dgram'
import net from 'node:net'
import type { Copying } from './copy-tcp.ts'

export interface UdpForwardOptions {
  /** The socket that clients send to; it is closed with the forward. */
  socket: dgram.Socket
  /**
   * Returns the present target; undefined where there is none. It is asked for each datagram, since a client that sends
   * all the time would else never learn of another one.
   */
  target: () => UdpTarget | undefined
  /** Opens a socket from which the target is reached. */
  open: (target: UdpTarget) => dgram.Socket
  admits: (client: string) => boolean
  /** Clients at one time; one more ends the one that has been silent longest. */
  limit: number
  /** Milliseconds of silence in both directions after which a client is forgotten. */
  idleTimeout: number
  timers: Timers
}

interface UdpTarget {
  address: string
  port: number
}

/** The two functions that tests replace. */
export interface Timers {
  set(run: () => void, milliseconds: number): unknown
  clear(timer: unknown): void
}

/** They keep no process alive. */
export const systemTimers: Timers = {
  set: (run, milliseconds) => setTimeout(run, milliseconds).unref(),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
}

interface Session {
  target: UdpTarget
  send(datagram: Uint8Array): void
  close(): void
  timer: unknown
}

/** `cutOff` ends all clients that there are. */
export function forwardUdp(options: UdpForwardOptions): Copying & { cutOff(): void } {
  const { socket, target: findTarget, open, admits, limit, idleTimeout, timers } = options
  /** By the client's address and port; the client that was active last is last. */
  const sessions = new Map<string, Session>()

  const end = (key: string) => {
    const session = sessions.get(key)
    if (session === undefined) return
    sessions.delete(key)
    timers.clear(session.timer)
    session.close()
  }

  const touch = (key: string, session: Session) => {
    timers.clear(session.timer)
    session.timer = timers.set(() => end(key), idleTimeout)
    sessions.delete(key)
    sessions.set(key, session)
  }

  const begin = (key: string, client: dgram.RemoteInfo, target: UdpTarget): Session | undefined => {
    const outward = openOr(() => open(target))
    if (outward === undefined) return undefined
    const { port } = target
    const address = canonical(target.address)
    const session: Session = {
      target,
      timer: undefined,
      send: (datagram) => outward.send(datagram, port, address, ignored),
      close: () => outward.close(),
    }
    outward.on('message', (datagram, from) => {
      // Nobody else may answer in the name of the target.
      if (from.address !== address || from.port !== port) return
      touch(key, session)
      socket.send(datagram, client.port, client.address, ignored)
    })
    outward.on('error', () => end(key))
    if (sessions.size >= limit) end(sessions.keys().next().value as string)
    sessions.set(key, session)
    return session
  }

  socket.on('message', (datagram, client) => {
    if (!admits(client.address)) return
    const key = `${client.address} ${client.port}`
    const target = findTarget()
    const earlier = sessions.get(key)
    if (earlier !== undefined && !isSame(earlier.target, target)) end(key)
    if (target === undefined) return
    const session = sessions.get(key) ?? begin(key, client, target)
    if (session === undefined) return
    touch(key, session)
    session.send(datagram)
  })
  socket.on('error', () => {})

  const cutOff = () => {
    for (const key of [...sessions.keys()]) end(key)
  }
  return {
    get size() {
      return sessions.size
    },
    cutOff,
    async close() {
      cutOff()
      await new Promise<void>((resolve) => socket.close(() => resolve()))
    },
  }
}

/** Returns undefined with no descriptor left, or with the network gone: then only the datagram is lost. */
function openOr(open: () => dgram.Socket): dgram.Socket | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}

const isSame = (one: UdpTarget, other: UdpTarget | undefined) =>
  one.address === other?.address && one.port === other.port

/** Writes an address as the kernel writes the source of a datagram. */
const canonical = (address: string) =>
  new net.SocketAddress({ address, family: net.isIPv6(address) ? 'ipv6' : 'ipv4' }).address

/** Ignores that a datagram is lost; sockets report their own errors by their events. */
const ignored = () => {}
