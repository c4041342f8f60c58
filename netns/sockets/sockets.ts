/**
 * Makes sockets inside a namespace and hands them to Node. They stay there for life, whichever namespace the process is
 * in. Node's own connect and bind would come too late: they run on a later turn, at home again.
 */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import {
  AF_INET,
  AF_INET6,
  inNamespace,
  NetnsError,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socket,
} from '../kernel/index.ts'
import { bindSocket, enable, endpointText, SO_REUSEADDR, SOL_SOCKET } from './bind-socket.ts'

/** A link-local address with its link (`%eth0`) is refused: `connect` would look for the link at home. */
function checkAddress(address: string): void {
  if (address.includes('%') || net.isIP(address) === 0)
    throw new NetnsError('KERNEL', `"${address}" is not an IPv4 or IPv6 address`, { errno: 'EINVAL' })
}

function bindInside(namespace: number, type: number, address: string, port: number): number {
  checkAddress(address)
  const { fd } = inNamespace(namespace, () =>
    bindSocket(type | SOCK_NONBLOCK, address, port, (bound) => {
      // Node does so too: else a server that was just closed keeps its port for a minute.
      if (type === SOCK_STREAM) enable(bound.fd, SOL_SOCKET, SO_REUSEADDR)
    }),
  )
  return fd
}

/** @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE` */
export function bindUdp(namespace: number, address: string, port: number): dgram.Socket {
  const fd = bindInside(namespace, SOCK_DGRAM, address, port)
  const udp = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4')
  udp.bind({ fd })
  return udp
}

/**
 * Makes a TCP server in a network namespace, listening when this resolves.
 *
 * @param namespace - its descriptor, which the caller may close afterwards
 * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
 */
export async function listenTcp(
  namespace: number,
  address: string,
  port: number,
  options: net.ServerOpts = {},
): Promise<net.Server> {
  const fd = bindInside(namespace, SOCK_STREAM, address, port)
  const server = net.createServer(options)
  server.listen({ fd })
  await once(server, 'listening')
  return server
}

export interface ConnectOptions {
  signal?: AbortSignal
  /** Milliseconds. @defaultValue until the kernel gives up, after two minutes */
  timeout?: number
  /** Keeps this end open for writing when the other ends. @defaultValue false */
  allowHalfOpen?: boolean
}

/**
 * @throws NetnsError `TIMEOUT`; the signal's reason; or Node's own error, as `ECONNREFUSED`
 */
export async function connectTcp(
  namespace: number,
  address: string,
  port: number,
  { signal, timeout, allowHalfOpen = false }: ConnectOptions = {},
): Promise<net.Socket> {
  signal?.throwIfAborted()
  checkAddress(address)
  const family = net.isIPv6(address) ? AF_INET6 : AF_INET
  const limit = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
  const ends = [signal, limit].filter((end) => end !== undefined)
  const fd = inNamespace(namespace, () => socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0, 'make a socket'))
  const connection = new net.Socket({ fd, allowHalfOpen })
  try {
    connection.connect(port, address)
    await once(connection, 'connect', { signal: AbortSignal.any(ends) })
    return connection
  } catch (error) {
    connection.destroy()
    signal?.throwIfAborted()
    if (!limit?.aborted) throw error
    throw new NetnsError('TIMEOUT', `${endpointText(address, port)} did not accept within ${timeout} ms`, {
      cause: error,
    })
  }
}
