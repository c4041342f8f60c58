import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { closeSync } from 'node:fs'
import { createServer, isIP, isIPv6, type Server as TcpServer } from 'node:net'
import { DnsError } from '../errors.ts'
import { addressOnly, type Endpoint, isWildcard } from '../wire/address.ts'
import type { PacketSocket } from './packet-socket.ts'

/**
 * The place to listen: an address (not a wildcard: answers must come from the address that was asked, RFC 2181, 4)
 * with a port, 0 for any; or sockets that the caller has bound to one address and port, perhaps in another network
 * namespace. The server takes such sockets and descriptors over, and closes them. One half may be missing, but a
 * server without TCP cannot give an answer that is too large for UDP.
 */
export type Listen =
  | { readonly address: string; readonly port: number }
  | {
      readonly udp?: UdpSocket | PacketSocket | Descriptor
      readonly tcp?: TcpServer | Descriptor
    }

/** An inherited socket, as systemd hands them over; `family` is its address's. */
export interface Descriptor {
  readonly fd: number
  /** @defaultValue 4 */
  readonly family?: 4 | 6
}

/** A pair of sockets, bound to one address and port. */
export interface Listener extends Endpoint {
  readonly udp: UdpSocket | PacketSocket | undefined
  readonly tcp: TcpServer | undefined
}

/** Octets of queries that may wait in the kernel while we are busy. */
const receiveBuffer = 1024 * 1024
/** Attempts with port 0: the port that UDP got may be in use for TCP. */
const portAttempts = 20

/** @throws DnsError `INVALID_OPTION`, `ADDRESS_IN_USE`, `LISTEN_FAILED`; no socket stays open then */
export async function openListener(listen: Listen): Promise<Listener> {
  if (!('address' in listen)) return adopt(listen)
  const { address, port } = listen
  if (isIP(address) === 0 || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new DnsError('INVALID_OPTION', `listen: ${address} port ${port} is not an IP address with a port`)
  }
  refuseWildcard(address)
  for (let attempt = 1; ; attempt++) {
    const udp = await bindUdp(address, port)
    const chosen = udp.address().port
    try {
      return { udp, tcp: await listenTcp(address, chosen), address, port: chosen }
    } catch (error) {
      await closeUdp(udp)
      const taken = error instanceof DnsError && error.code === 'ADDRESS_IN_USE'
      if (port !== 0 || !taken || attempt === portAttempts) throw error
    }
  }
}

/**
 * Refuses the wildcard for UDP. Node does not tell which address was asked (IP_PKTINFO, ip(7)): the kernel would choose
 * the one that an answer comes from, and a client that asked another one drops it.
 */
function refuseWildcard(address: string): void {
  if (!isWildcard(address)) return
  throw new DnsError(
    'INVALID_OPTION',
    `listen: ${address} is no single address: an answer must come from the address that was asked (RFC 2181, 4); ` +
      'name each address to listen on, such as 127.0.0.1',
  )
}

type HandedOver = Exclude<Listen, { readonly address: string }>

async function adopt({ udp, tcp }: HandedOver): Promise<Listener> {
  let opened: Pick<Listener, 'udp' | 'tcp'> = { udp: undefined, tcp: undefined }
  try {
    opened = { udp: udp !== undefined && 'fd' in udp ? openUdp(udp) : udp, tcp: undefined }
    opened = { ...opened, tcp: tcp !== undefined && 'fd' in tcp ? await openTcp(tcp) : tcp }
    return { ...opened, ...whereIs(opened) }
  } catch (error) {
    await closeListener(opened)
    await discard({
      ...(udp === undefined || (opened.udp !== undefined && 'fd' in udp) ? {} : { udp }),
      ...(tcp === undefined || (opened.tcp !== undefined && 'fd' in tcp) ? {} : { tcp }),
    })
    throw error
  }
}

function whereIs({ udp, tcp }: Pick<Listener, 'udp' | 'tcp'>): Endpoint {
  const where = tcp?.address()
  if (tcp !== undefined && (typeof where !== 'object' || where === null)) {
    throw new DnsError('LISTEN_FAILED', 'the TCP server that was handed over does not listen on an address')
  }
  if (udp === undefined) {
    if (typeof where === 'object' && where !== null) return { address: where.address, port: where.port }
    throw new DnsError('INVALID_OPTION', 'listen: neither an address nor a socket is given')
  }
  // A packet socket knows by itself which address was asked.
  if ('receive' in udp) return { address: udp.address, port: udp.port }
  try {
    const { address, port } = udp.address()
    refuseWildcard(address)
    return { address, port }
  } catch (cause) {
    if (cause instanceof DnsError) throw cause
    throw new DnsError('LISTEN_FAILED', 'the UDP socket that was handed over is not bound', { cause })
  }
}

function openUdp({ fd, family = 4 }: Descriptor): UdpSocket {
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', lookup: addressOnly })
  try {
    socket.bind({ fd, exclusive: true })
    // A socket of the wrong family would receive and never send.
    const actual = socket.address().family
    if (actual !== `IPv${family}`) throw new Error(`it is of ${actual}: say so by family`)
    return socket
  } catch (cause) {
    socket.close()
    const { message } = cause as Error
    throw new DnsError('LISTEN_FAILED', `descriptor ${fd} is no bound UDP socket: ${message}`, { cause })
  }
}

function openTcp({ fd }: Descriptor): Promise<TcpServer> {
  const server = createServer({ allowHalfOpen: true })
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new DnsError('LISTEN_FAILED', `descriptor ${fd} is no bound TCP socket: ${cause.message}`, { cause }),
      )
    })
    server.listen({ fd, exclusive: true }, () => {
      server.removeAllListeners('error')
      resolve(server)
    })
  })
}

function bindUdp(address: string, port: number): Promise<UdpSocket> {
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    ipv6Only: isIPv6(address),
    recvBufferSize: receiveBuffer,
    lookup: addressOnly,
  })
  return new Promise((resolve, reject) => {
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      socket.close()
      reject(listenError(address, port, 'UDP', cause))
    })
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
  })
}

function listenTcp(address: string, port: number): Promise<TcpServer> {
  const server = createServer({ allowHalfOpen: true })
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(address, port, 'TCP', cause)))
    server.listen({ host: address, port, exclusive: true, ipv6Only: isIPv6(address) }, () => {
      server.removeAllListeners('error')
      resolve(server)
    })
  })
}

function listenError(
  address: string,
  port: number,
  protocol: string,
  cause: NodeJS.ErrnoException,
): DnsError {
  const where = `${isIPv6(address) ? `[${address}]` : address}:${port}`
  if (cause.code === 'EADDRINUSE') {
    return new DnsError(
      'ADDRESS_IN_USE',
      `cannot listen on ${where}: another program has that ${protocol} port`,
      { cause },
    )
  }
  const reason = cause.code === 'EADDRNOTAVAIL' ? 'this machine has no such address' : cause.message
  return new DnsError('LISTEN_FAILED', `cannot listen on ${where} over ${protocol}: ${reason}`, { cause })
}

/** Closes both sockets of a pair. One that is closed already is no error. */
export async function closeListener({ udp, tcp }: Pick<Listener, 'udp' | 'tcp'>): Promise<void> {
  await Promise.all([udp && ('receive' in udp ? udp.close() : closeUdp(udp)), tcp && closeTcp(tcp)])
}

/** Closes sockets and descriptors that were handed over and are not listened on. */
export async function discard(listen: Listen): Promise<void> {
  if ('address' in listen) return
  const { udp, tcp } = listen
  for (const half of [udp, tcp]) if (half !== undefined && 'fd' in half) closeDescriptor(half.fd)
  await closeListener({
    udp: udp !== undefined && 'fd' in udp ? undefined : udp,
    tcp: tcp !== undefined && 'fd' in tcp ? undefined : tcp,
  })
}

function closeDescriptor(fd: number): void {
  try {
    closeSync(fd)
  } catch (error) {
    // It was not open, or the failed attempt to listen has closed it.
    if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error
  }
}

function closeUdp(socket: UdpSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', resolve)
    try {
      socket.close()
    } catch (error) {
      socket.off('close', resolve)
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error
      resolve()
    }
  })
}

/** Accepts no more connections; ends when the last one has ended. */
function closeTcp(server: TcpServer): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => {
      if (error === undefined || (error as NodeJS.ErrnoException).code === 'ERR_SERVER_NOT_RUNNING') resolve()
      else reject(error)
    })
  })
}
