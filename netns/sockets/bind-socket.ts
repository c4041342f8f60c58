/** Sockets of the calling thread's namespace, bound to an address. */
import { closeSync } from 'node:fs'
import {
  AF_INET,
  AF_INET6,
  addressOctets,
  bind,
  linkIndex,
  NetnsError,
  setsockopt,
  sockaddrSize,
  socket,
  socketName,
} from '../kernel/index.ts'

export interface NewSocket {
  fd: number
  /** `AF_INET` or `AF_INET6`. */
  family: number
  /** The address that it is to have. */
  octets: Uint8Array
}

export interface BoundSocket extends NewSocket {
  /** The port that it has got. */
  port: number
}

export const SOL_SOCKET = 1
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26

/**
 * Makes a socket, and binds it; an IPv6 one takes no IPv4 packets, else `::` would take the IPv4 port of its number
 * too.
 *
 * @param type - of socket(2), with its flags
 * @param port - 0 for any
 * @param address - a link-local one may have its link's name (`%eth0`)
 * @param setUp - sets options before the socket is bound
 * @param both - an IPv6 socket takes IPv4 packets too, as Node's servers do. @defaultValue false
 * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
 */
export function bindSocket(
  type: number,
  address: string,
  port: number,
  setUp: (socket: NewSocket) => void,
  both = false,
): BoundSocket {
  const [text = '', link] = address.split('%')
  const octets = addressOctets(text)
  if (octets === undefined || !Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new NetnsError('KERNEL', `${address} port ${port} is not an IP address with a port`, {
      errno: 'EINVAL',
    })
  }
  const family = octets.length === 4 ? AF_INET : AF_INET6
  // struct sockaddr_in or sockaddr_in6
  const name = Buffer.alloc(family === AF_INET ? 16 : sockaddrSize)
  name.writeUInt16LE(family, 0)
  name.writeUInt16BE(port, 2)
  name.set(octets, family === AF_INET ? 4 : 8)
  if (link !== undefined) name.writeUInt32LE(linkIndex(link), 24)
  const fd = socket(family, type, 0, 'make a socket')
  try {
    if (family === AF_INET6 && !both) enable(fd, IPPROTO_IPV6, IPV6_V6ONLY)
    setUp({ fd, family, octets })
    bind(fd, name, `bind to ${endpointText(address, port)}`)
    return { fd, family, octets, port: Buffer.from(socketName(fd)).readUInt16BE(2) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

export const SO_REUSEADDR = 2
export const SO_REUSEPORT = 15

/** Switches an option of a socket on. */
export function enable(fd: number, level: number, option: number): void {
  setsockopt(fd, level, option, Buffer.of(1, 0, 0, 0), 'set up a socket')
}

/** Writes `10.0.0.1:53` or `[fd00::1]:53`. */
export const endpointText = (address: string, port: number) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
