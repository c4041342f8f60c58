/** IPv6 beside IPv4: a subnet whose addresses follow those of the IPv4 subnet, so that one lease serves for both. */
import { randomBytes } from 'node:crypto'
import { isIPv6, SocketAddress } from 'node:net'
import ip from 'ip'
import { NetnsError } from '../kernel/index.ts'
import type { HostRoute, Subnet } from './addresses.ts'

export interface Subnet6 {
  readonly text: string
  readonly length: number
  readonly prefix: Uint8Array
}

const shortest = 48
const longest = 96

/** @throws NetnsError `BAD_CIDR` */
export function parseSubnet6(text: string): Subnet6 {
  const [address = '', digits = '', ...rest] = text.split('/')
  const length = Number(digits)
  if (!isIPv6(address) || address.includes('%') || !/^\d{1,3}$/.test(digits) || rest.length > 0) {
    throw new NetnsError('BAD_CIDR', `"${text}" is not an IPv6 subnet; write it like fd00:1234:5678::/64`)
  }
  if (length < shortest || length > longest) {
    throw new NetnsError(
      'BAD_CIDR',
      `${text} cannot be used: its prefix must be from /${shortest} to /${longest}`,
    )
  }
  const bytes = ip.toBuffer(address)
  const prefix = masked(bytes, length)
  if (!bytes.equals(prefix)) {
    throw new NetnsError(
      'BAD_CIDR',
      `${text} is an address in a subnet; the subnet is ${address6Text(prefix)}/${length}`,
    )
  }
  return { text: `${address6Text(prefix)}/${length}`, length, prefix }
}

function masked(address: Uint8Array, length: number): Buffer {
  return Buffer.from(
    address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, length - index * 8)))),
  )
}

/** A unique local subnet of our own (RFC 4193: 40 random bits, so that it collides with nobody's). */
export function randomSubnet6(): Subnet6 {
  const prefix = Buffer.concat([Buffer.of(0xfd), randomBytes(5), Buffer.alloc(10)])
  return { text: `${address6Text(prefix)}/64`, length: 64, prefix }
}

/** The address that goes with one of the IPv4 subnet: its number there, in this one. */
export function address6Of(subnet6: Subnet6, subnet: Subnet, address: number): Buffer {
  const bytes = Buffer.from(subnet6.prefix)
  bytes.writeUInt32BE(address - subnet.first, 12)
  return bytes
}

/** Of an uplink, whose IPv4 address is nobody else's on the host. It never leaves the host: it is masqueraded. */
export function uplinkAddress6(address: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('fd6d6f6f72616765000000000000'.slice(0, 24), 'hex'), address])
}

/** As everybody else writes it (RFC 5952), which `ip` does not. */
export const address6Text = (address: Uint8Array): string =>
  new SocketAddress({ address: ip.toString(Buffer.from(address)), family: 'ipv6' }).address

/** The first route that goes to a part of the subnet, or to more than it; see `conflictOf`. */
export function conflictOf6(subnet: Subnet6, routes: readonly HostRoute[]): HostRoute | undefined {
  return routes.find(({ address, length }) => {
    if (length < widestNetwork) return false
    const shared = Math.min(length, subnet.length)
    return masked(ip.toBuffer(address), shared).equals(masked(subnet.prefix, shared))
  })
}

/** What is wider is a way to the outside (`2000::/3`, `fc00::/7`), not somebody's network. */
const widestNetwork = 9
