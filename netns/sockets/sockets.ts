/**
 * Sockets made inside a namespace and handed to Node. They stay there for life, whichever namespace the process is
 * in. Node's own connect and bind would come too late: they run on a later turn, at home again.
 */

import dgram from 'node:dgram'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import net from 'node:net'
import { addressBytes } from '../addressing/addresses.ts'
import {
  AF_INET,
  AF_INET6,
  bind,
  inNamespace,
  NetnsError,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  setsockopt,
  socket,
} from '../kernel/index.ts'

interface SocketAddress {
  family: typeof AF_INET | typeof AF_INET6
  bytes: Buffer
}

/** struct sockaddr_in or sockaddr_in6. A link-local address with its link (`%eth0`) is none of ours. */
function socketAddress(address: string, port: number): SocketAddress {
  const version = address.includes('%') ? 0 : net.isIP(address)
  if (version === 0)
    throw new NetnsError('KERNEL', `"${address}" is not an IPv4 or IPv6 address`, { errno: 'EINVAL' })
  const family = version === 4 ? AF_INET : AF_INET6
  const bytes = Buffer.alloc(version === 4 ? 16 : 28)
  bytes.writeUInt16LE(family, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(addressBytes(address), version === 4 ? 4 : 8)
  return { family, bytes }
}

const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const on = Buffer.of(1, 0, 0, 0)

function boundSocket(namespace: number, type: number, address: string, port: number): number {
  const { family, bytes } = socketAddress(address, port)
  return inNamespace(namespace, () => {
    const fd = socket(family, type | SOCK_NONBLOCK, 0, 'make a socket')
    try {
      // As Node does: else a server that was just closed keeps its port for a minute.
      if (type === SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, on, 'set up a socket')
      // Else `::` would take the IPv4 port of the same number as well.
      if (family === AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, on, 'set up a socket')
      bind(fd, bytes, `bind to ${endpointText(address, port)}`)
      return fd
    } catch (error) {
      closeSync(fd)
      throw error
    }
  })
}

/** `10.0.0.1:53`, `[fd00::1]:53`. */
export const endpointText = (address: string, port: number) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

/** @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE` */
export function bindUdp(namespace: number, address: string, port: number): dgram.Socket {
  const fd = boundSocket(namespace, SOCK_DGRAM, address, port)
  const udp = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4')
  udp.bind({ fd })
  return udp
}

/**
 * A TCP server in a network namespace, listening when this resolves.
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
  const fd = boundSocket(namespace, SOCK_STREAM, address, port)
  const server = net.createServer(options)
  server.listen({ fd })
  await once(server, 'listening')
  return server
}

export interface ConnectOptions {
  signal?: AbortSignal
  /** Milliseconds. @defaultValue until the kernel gives up, after two minutes */
  timeout?: number
  /** Whether this end stays open for writing when the other ends. @defaultValue false */
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
  const { family } = socketAddress(address, port)
  const limit = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
  const end = AbortSignal.any([signal, limit].filter((one) => one !== undefined))
  const fd = inNamespace(namespace, () => socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0, 'make a socket'))
  const connection = new net.Socket({ fd, allowHalfOpen })
  try {
    connection.connect(port, address)
    await once(connection, 'connect', { signal: end })
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
