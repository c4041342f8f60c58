/** Ports that lead from the host into a network, and from a sandbox to the host. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { kernelError, NetnsError } from '../kernel/index.ts'
import { endpointText } from './bind-socket.ts'
import { type Copying, forwardTcp } from './copy-tcp.ts'
import { forwardUdp, systemTimers, type Timers } from './copy-udp.ts'
import { bindUdp, connectTcp, listenTcp } from './sockets.ts'

/** The address and port at which something is reached. */
export interface Endpoint {
  address: string
  port: number
}

export interface ForwardLimits {
  /** TCP connections, or UDP clients, at one time. @defaultValue 4096 */
  limit?: number
  /** UDP: milliseconds of silence after which a client is forgotten. @defaultValue 60,000 */
  idleTimeout?: number
  /** TCP: milliseconds for the connection to the target. @defaultValue 5,000 */
  dialTimeout?: number
  /** For tests. */
  timers?: Timers
}

export interface ForwardOptions extends ForwardLimits {
  /** The host's side; port 0 is any that is free. @defaultValue address: 127.0.0.1 */
  host: { address?: string; port: number }
  /**
   * The target, inside the network. A function is called for each new connection or UDP client, since a service may
   * have another address by then; if it returns undefined, the connection is reset, or the datagram dropped.
   */
  to: Endpoint | (() => Endpoint | undefined)
  /** @defaultValue `tcp` */
  protocol?: 'tcp' | 'udp'
}

/** A way from a sandbox back to the host. */
export interface HostForwardOptions extends ForwardLimits {
  /** The port of the sandbox; 0 is any that is free. */
  port: number
  /** Which of the sandbox's own addresses has it. @defaultValue its IPv4 address */
  address?: string
  /** The target on the host. @defaultValue address: 127.0.0.1 */
  to: { address?: string; port: number }
  /** @defaultValue `tcp` */
  protocol?: 'tcp' | 'udp'
  /** Tells by address who may use it. @defaultValue everybody who reaches the sandbox */
  admits?: (client: string) => boolean
}

/** A port that leads somewhere else, until it is closed. */
export interface Forward extends AsyncDisposable, Endpoint {
  readonly protocol: 'tcp' | 'udp'
  /** TCP connections, or UDP clients, at this moment. */
  readonly connections: number
  /** Resolves when it is closed, whoever did that. */
  readonly closed: Promise<void>
  /** Cuts off its connections; resolves when nothing of it is open any more. May be called again. */
  close(): Promise<void>
}

const everybody = () => true
const anyAddress = (like: string) => (net.isIPv6(like) ? '::' : '0.0.0.0')

/**
 * Opens a port of the host that leads into a network.
 *
 * @param namespace - the network's; forwarded connections come from the gateway's address
 * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
 */
export async function forwardFromHost(
  namespace: number,
  { host, to, protocol = 'tcp', ...limits }: ForwardOptions,
): Promise<Forward> {
  const { address = '127.0.0.1', port } = host
  const findTarget = typeof to === 'function' ? to : () => to
  if (protocol === 'udp') {
    const socket = await hostUdp(address, port)
    return forwardOf('udp', socket.address(), copyUdpInward(namespace, socket, findTarget, limits))
  }
  const server = net.createServer(serverOptions)
  await bound(server, () => server.listen({ host: address, port }), address, port)
  return forwardOf(
    'tcp',
    server.address() as net.AddressInfo,
    copyTcpInward(namespace, server, findTarget, limits),
  )
}

/** The options of a server whose connections are copied. */
export const serverOptions = { allowHalfOpen: true, pauseOnConnect: true }

export type FindTarget = () => Endpoint | undefined

export function copyUdpInward(
  namespace: number,
  socket: dgram.Socket,
  target: FindTarget,
  limits: ForwardLimits,
) {
  const open = ({ address }: Endpoint) => bindUdp(namespace, anyAddress(address), 0)
  return forwardUdp({ socket, target, open, ...udpLimits(limits) })
}

export function copyTcpInward(
  namespace: number,
  server: net.Server,
  findTarget: FindTarget,
  limits: ForwardLimits,
): Copying {
  const dial = (signal: AbortSignal) => {
    const target = findTarget()
    if (target === undefined) throw new NetnsError('NETWORK_GONE', 'there is nothing to connect to')
    return connectTcp(namespace, target.address, target.port, dialOptions(limits, signal))
  }
  return forwardTcp({ server, dial, ...tcpLimits(limits) })
}

/**
 * Opens a port of a sandbox that leads to the host.
 *
 * @param namespace - the sandbox's
 * @param sandboxAddress - the address that has the port unless the options name another
 * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
 */
export async function forwardToHost(
  namespace: number,
  sandboxAddress: string,
  {
    port,
    address: own = sandboxAddress,
    to,
    protocol = 'tcp',
    admits = everybody,
    ...limits
  }: HostForwardOptions,
): Promise<Forward> {
  const { address = '127.0.0.1' } = to
  if (protocol === 'udp') {
    const socket = bindUdp(namespace, own, port)
    await listening(socket)
    const open = () => dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4')
    const target = () => ({ address, port: to.port })
    const copying = forwardUdp({ socket, target, open, ...udpLimits(limits), admits })
    return forwardOf('udp', socket.address(), copying)
  }
  const server = await listenTcp(namespace, own, port, { allowHalfOpen: true, pauseOnConnect: true })
  const dial = async (signal: AbortSignal) => {
    const connection = net.connect({ host: address, port: to.port, allowHalfOpen: true })
    try {
      await once(connection, 'connect', { signal: dialOptions(limits, signal).signal })
      return connection
    } catch (error) {
      connection.destroy()
      throw error
    }
  }
  return forwardOf(
    'tcp',
    server.address() as net.AddressInfo,
    forwardTcp({ server, dial, ...tcpLimits(limits), admits }),
  )
}

export function forwardOf(protocol: 'tcp' | 'udp', { address, port }: Endpoint, copying: Copying): Forward {
  const ended = Promise.withResolvers<void>()
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= copying.close().finally(ended.resolve)
    return closing
  }
  return {
    protocol,
    address,
    port,
    get connections() {
      return copying.size
    },
    closed: ended.promise,
    close,
    [Symbol.asyncDispose]: close,
  }
}

const tcpLimits = ({ limit = 4096 }: ForwardLimits) => ({ limit, admits: everybody })
const udpLimits = ({ limit = 4096, idleTimeout = 60_000, timers = systemTimers }: ForwardLimits) => ({
  limit,
  idleTimeout,
  timers,
  admits: everybody,
})

function dialOptions({ dialTimeout = 5_000 }: ForwardLimits, signal: AbortSignal) {
  return {
    signal: AbortSignal.any([signal, AbortSignal.timeout(dialTimeout)]),
    allowHalfOpen: true,
  }
}

export async function hostUdp(address: string, port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket(net.isIPv6(address) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })
  await bound(socket, () => socket.bind({ address, port, exclusive: true }), address, port)
  return socket
}

/** Waits until a socket listens; throws the same errors as sockets inside a namespace do. */
export async function bound(
  socket: net.Server | dgram.Socket,
  start: () => unknown,
  address: string,
  port: number,
): Promise<void> {
  try {
    const ready = once(socket, 'listening')
    start()
    await ready
  } catch (cause) {
    socket.close()
    const { errno, code } = cause as NodeJS.ErrnoException
    if (errno === undefined || code === undefined) throw cause
    const { message } = kernelError(-errno, `bind to ${endpointText(address, port)}`)
    throw new NetnsError('KERNEL', message, { cause, errno: code })
  }
}

/** Waits until `address()` works on a socket that took over a descriptor. */
async function listening(socket: dgram.Socket): Promise<void> {
  try {
    socket.address()
  } catch {
    await once(socket, 'listening')
  }
}
