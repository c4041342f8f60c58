/** Ports of the host that lead into a network only while somebody says so, and are nobody else's meanwhile. */
import type dgram from 'node:dgram'
import { closeSync } from 'node:fs'
import net from 'node:net'
import { NetnsError, SOCK_NONBLOCK, SOCK_STREAM } from '../kernel/index.ts'
import { bindSocket, enable, SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET } from './bind-socket.ts'
import {
  bound,
  copyTcpInward,
  copyUdpInward,
  type Forward,
  type ForwardOptions,
  forwardOf,
  hostUdp,
  serverOptions,
} from './forward.ts'

/** A port that refuses clients until it is opened. */
export interface ReservedForward extends Forward {
  /**
   * Takes clients from now on. May be called again.
   *
   * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
   */
  open(): Promise<void>
  /**
   * Refuses clients again, at once, as if nobody listened; TCP connections that there are stay. May be called again.
   */
  shut(): Promise<void>
}

/**
 * Reserves a port of the host that will lead into a network.
 *
 * @param namespace - the network's
 * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
 */
export async function reserveFromHost(
  namespace: number,
  { host, to, protocol = 'tcp', ...limits }: ForwardOptions,
): Promise<ReservedForward> {
  const { address = '127.0.0.1', port } = host
  const findTarget = typeof to === 'function' ? to : () => to
  if (protocol === 'tcp') {
    const server = net.createServer(serverOptions)
    const gate = tcpGate(server, address, port)
    return gated('tcp', gate.endpoint, copyTcpInward(namespace, server, findTarget, limits), gate)
  }
  const socket = port === 0 ? await anyHostUdp(address) : await hostUdp(address, port)
  const endpoint = socket.address()
  const copying = copyUdpInward(namespace, socket, findTarget, limits)
  const gate = udpGate(socket, endpoint, copying.cutOff)
  await gate.shut()
  return gated('udp', endpoint, copying, gate)
}

interface Gate {
  open(): Promise<void>
  shut(): Promise<void>
  /** Gives the port up. */
  end(): void
}

/** Joins a gate and what passes it; its steps are taken one after the other, and none after its end. */
function gated(
  protocol: 'tcp' | 'udp',
  endpoint: { address: string; port: number },
  copying: Parameters<typeof forwardOf>[2],
  gate: Gate,
): ReservedForward {
  let closed = false
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const taken = last.then(() => (closed ? undefined : step()))
    last = taken.catch(() => {})
    return taken
  }
  const forward = forwardOf(protocol, endpoint, {
    get size() {
      return copying.size
    },
    async close() {
      closed = true
      await last
      gate.end()
      await copying.close()
    },
  })
  return Object.assign(forward, { open: () => inTurn(gate.open), shut: () => inTurn(gate.shut) })
}

/**
 * Two sockets share the port: one is bound and never listens, so that clients are refused and nobody else gets the port;
 * the other is there while the port is open.
 */
function tcpGate(server: net.Server, address: string, port: number): Gate & { endpoint: net.AddressInfo } {
  const reserved = reserve(address, port)
  const share = (fd: number) => {
    for (const option of [SO_REUSEADDR, SO_REUSEPORT]) enable(fd, SOL_SOCKET, option)
  }
  return {
    endpoint: { address, port: reserved.port, family: net.isIPv6(address) ? 'IPv6' : 'IPv4' },
    async open() {
      if (server.listening) return
      const { fd } = bindSocket(stream, address, reserved.port, (made) => share(made.fd), true)
      await bound(server, () => server.listen({ fd }), address, reserved.port)
    },
    async shut() {
      if (server.listening) server.close()
    },
    end: () => closeSync(reserved.fd),
  }
}

const stream = SOCK_STREAM | SOCK_NONBLOCK

/** Takes a port that nobody has. One whose last connections are still waiting for their end (TIME_WAIT) is free. */
function reserve(address: string, port: number): { fd: number; port: number } {
  const take = (...options: number[]) =>
    bindSocket(
      stream,
      address,
      port,
      ({ fd }) => options.map((option) => enable(fd, SOL_SOCKET, option)),
      true,
    )
  let taken: { fd: number; port: number }
  try {
    taken = take()
  } catch (error) {
    if (!(error instanceof NetnsError && error.errno === 'EADDRINUSE')) throw error
    taken = take(SO_REUSEADDR)
  }
  try {
    // Only now: with it from the start two could reserve the same.
    enable(taken.fd, SOL_SOCKET, SO_REUSEPORT)
    return taken
  } catch (error) {
    closeSync(taken.fd)
    throw error
  }
}

const mostTries = 20

/** Binds to a port that is free, by its number: one that the kernel has chosen goes when the socket is disconnected. */
async function anyHostUdp(address: string): Promise<dgram.Socket> {
  for (let tries = 1; ; tries++) {
    const chosen = await hostUdp(address, 0)
    const { port } = chosen.address()
    await new Promise<void>((resolve) => chosen.close(() => resolve()))
    try {
      return await hostUdp(address, port)
    } catch (error) {
      // Somebody took it in between.
      if (!(error instanceof NetnsError && error.errno === 'EADDRINUSE') || tries === mostTries) throw error
    }
  }
}

/** The socket is connected to itself while the port is shut: the kernel then refuses what others send to it. */
function udpGate(socket: dgram.Socket, own: net.AddressInfo, cutOff: () => void): Gate {
  const self = { '0.0.0.0': '127.0.0.1', '::': '::1' }[own.address] ?? own.address
  let shut = false
  return {
    async open() {
      if (shut) socket.disconnect()
      shut = false
    },
    async shut() {
      if (shut) return
      cutOff()
      await new Promise<void>((resolve, reject) =>
        socket.connect(own.port, self, (error?: Error) => (error ? reject(error) : resolve())),
      )
      // Of those that came while it was being shut.
      cutOff()
      shut = true
    },
    end: () => undefined,
  }
}
