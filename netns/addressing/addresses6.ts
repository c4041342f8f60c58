/** IPv6 beside IPv4: the addresses of its subnet follow those of the IPv4 subnet, so that one lease serves for both. */
import { randomBytes } from 'node:crypto'
import { isIPv6, SocketAddress } from 'node:net'
import ip from 'ip'
import { NetnsError } from '../kernel/index.ts'
import type { Subnet } from './addresses.ts'

export interface Subnet6 {
  readonly text: string
  readonly length: number
  readonly prefix: Uint8Array
}

const shortest = 48
const longest = 96

/** @throws NetnsError `BAD_CIDR` */
export function parseSubnet6(text: string): Subnet6 {
  const [address = '', digits = '', ...more] = text.split('/')
  const length = Number(digits)
  if (!isIPv6(address) || address.includes('%') || !/^\d{1,3}$/.test(digits) || more.length > 0) {
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

/** Clears all bits after the first `length`. */
export function masked(address: Uint8Array, length: number): Buffer {
  return Buffer.from(
    address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, length - index * 8)))),
  )
}

/** Draws a unique local subnet (RFC 4193): its 40 random bits keep it from colliding with anybody's. */
export function randomSubnet6(): Subnet6 {
  const prefix = Buffer.concat([Buffer.of(0xfd), randomBytes(5), Buffer.alloc(10)])
  return { text: `${address6Text(prefix)}/64`, length: 64, prefix }
}

/** Returns the address that goes with an IPv4 address: the one of the same number in this subnet. */
export function address6Of(subnet6: Subnet6, subnet: Subnet, address: number): Buffer {
  const bytes = Buffer.from(subnet6.prefix)
  bytes.writeUInt32BE(address - subnet.first, 12)
  return bytes
}

/** Writes an address in its canonical form (RFC 5952), which `ip` does not. */
export const address6Text = (address: Uint8Array): string =>
  new SocketAddress({ address: ip.toString(Buffer.from(address)), family: 'ipv6' }).address

/** Tells the family of a valid address. */
export const isIPv6Address = (address: string) => address.includes(':')
