/**
 * Sockets made inside a namespace and handed to Node. They stay there for life, whichever namespace the process is
 * in. Node's own connect and bind would come too late: they run on a later turn, at home again.
 */

import dgram from 'node:dgram'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import net from 'node:net'
import { addressBytes } from './addresses.ts'
import {
  AF_INET,
  bind,
  inNamespace,
  NetnsError,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  setsockopt,
  socket,
} from './kernel/index.ts'

/** struct sockaddr_in. */
function socketAddress(address: string, port: number): Buffer {
  if (!net.isIPv4(address))
    throw new NetnsError('KERNEL', `"${address}" is not an IPv4 address`, { errno: 'EINVAL' })
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(AF_INET, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(addressBytes(address), 4)
  return bytes
}

const SOL_SOCKET = 1
const SO_REUSEADDR = 2

function boundSocket(namespace: number, type: number, address: string, port: number): number {
  const to = socketAddress(address, port)
  return inNamespace(namespace, () => {
    const fd = socket(AF_INET, type | SOCK_NONBLOCK, 0, 'make a socket')
    try {
      // As Node does: else a server that was just closed keeps its port for a minute.
      if (type === SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, Buffer.of(1, 0, 0, 0), 'set up a socket')
      bind(fd, to, `bind to ${address}:${port}`)
      return fd
    } catch (error) {
      closeSync(fd)
      throw error
    }
  })
}

/** @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE` */
export function bindUdp(namespace: number, address: string, port: number): dgram.Socket {
  const fd = boundSocket(namespace, SOCK_DGRAM, address, port)
  const udp = dgram.createSocket('udp4')
  udp.bind({ fd })
  return udp
}

/** @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE` */
export async function listenTcp(namespace: number, address: string, port: number): Promise<net.Server> {
  const fd = boundSocket(namespace, SOCK_STREAM, address, port)
  const server = net.createServer()
  server.listen({ fd })
  await once(server, 'listening')
  return server
}

export interface ConnectOptions {
  signal?: AbortSignal
  /** Milliseconds. @defaultValue until the kernel gives up, after two minutes */
  timeout?: number
}

/**
 * @throws NetnsError `TIMEOUT`; the signal's reason; or Node's own error, as `ECONNREFUSED`
 */
export async function connectTcp(
  namespace: number,
  address: string,
  port: number,
  { signal, timeout }: ConnectOptions = {},
): Promise<net.Socket> {
  signal?.throwIfAborted()
  const limit = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
  const end = AbortSignal.any([signal, limit].filter((one) => one !== undefined))
  const fd = inNamespace(namespace, () => socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, 'make a socket'))
  const connection = new net.Socket({ fd })
  try {
    connection.connect(port, address)
    await once(connection, 'connect', { signal: end })
    return connection
  } catch (error) {
    connection.destroy()
    signal?.throwIfAborted()
    if (!limit?.aborted) throw error
    throw new NetnsError('TIMEOUT', `${address}:${port} did not accept within ${timeout} ms`, {
      cause: error,
    })
  }
}
