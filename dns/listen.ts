import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, isIP, isIPv6, type Server as TcpServer } from 'node:net'
import { addressOnly } from './address.ts'
import { DnsError } from './errors.ts'

/**
 * Where to listen: an address (not a wildcard: answers must come from the address that was asked, RFC 2181, 4) with a
 * port, 0 for any; or a pair of sockets that the caller has bound, perhaps in another network namespace. The server
 * takes such sockets over, and closes them.
 */
export type Listen =
  | { readonly address: string; readonly port: number }
  | { readonly udp: UdpSocket; readonly tcp: TcpServer }

/** A pair of sockets, bound to one address and port. */
export interface Listener {
  readonly udp: UdpSocket
  readonly tcp: TcpServer
  readonly address: string
  readonly port: number
}

/** What bursts of queries may pile up in the kernel while we do something else. */
const receiveBuffer = 1024 * 1024
/** With port 0, UDP's choice may be taken for TCP. */
const portAttempts = 20

/** @throws DnsError `ADDRESS_IN_USE`, `LISTEN_FAILED`; nothing stays open then but sockets that were handed over */
export async function openListener(listen: Listen): Promise<Listener> {
  if ('udp' in listen) return adopt(listen)
  const { address, port } = listen
  if (isIP(address) === 0 || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new DnsError('INVALID_OPTION', `listen: ${address} port ${port} is not an IP address with a port`)
  }
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

function adopt({ udp, tcp }: { udp: UdpSocket; tcp: TcpServer }): Listener {
  const where = tcp.address()
  if (where === null || typeof where === 'string') {
    throw new DnsError('LISTEN_FAILED', 'the TCP server that was handed over does not listen on an address')
  }
  try {
    return { udp, tcp, address: where.address, port: udp.address().port }
  } catch (cause) {
    throw new DnsError('LISTEN_FAILED', 'the UDP socket that was handed over is not bound', { cause })
  }
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

/** Closes a socket; one that is closed already, or that somebody else closed, is no error. */
export function closeUdp(socket: UdpSocket): Promise<void> {
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

/** Accepts no more; ends when the last connection has. */
export function closeTcp(server: TcpServer): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => {
      if (error === undefined || (error as NodeJS.ErrnoException).code === 'ERR_SERVER_NOT_RUNNING') resolve()
      else reject(error)
    })
  })
}
