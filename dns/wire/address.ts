import type { SocketOptions } from 'node:dgram'
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { DnsError } from '../errors.ts'

/** A valid IP address: its canonical spelling, and its octets in network order. */
export interface Address {
  readonly text: string
  readonly octets: Buffer
}

/** An IP address, with its scope if it is link-local, and a port. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** @throws DnsError `INVALID_ADDRESS` for anything but a plain IPv4 or IPv6 address (no scope, no prefix). */
export function parseAddress(text: string): Address {
  if (typeof text === 'string') {
    if (isIPv4(text)) return { text, octets: Buffer.from(text.split('.').map(Number)) }
    if (isIPv6(text) && !text.includes('%')) return ipv6(text)
  }
  throw new DnsError(
    'INVALID_ADDRESS',
    `"${text}" is not an IPv4 or IPv6 address, such as 10.0.0.7 or fd00::7`,
  )
}

function ipv6(text: string): Address {
  const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address
  const plain = mapped.exec(canonical)?.[1]
  if (plain !== undefined) {
    throw new DnsError('INVALID_ADDRESS', `"${text}" is an IPv4 address in IPv6 clothes: write ${plain}`)
  }
  return { text: canonical, octets: ipv6Octets(canonical) }
}

function ipv6Octets(text: string): Buffer {
  // The last 32 bits may be written as IPv4 (RFC 4291, 2.2).
  const hex = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) =>
    [(Number(a) << 8) | Number(b), (Number(c) << 8) | Number(d)].map((word) => word.toString(16)).join(':'),
  )
  const [head = [], tail = []] = hex.split('::').map((half) => half.split(':').filter((word) => word !== ''))
  const zeros = Array<string>(8 - head.length - tail.length).fill('0')
  const octets = Buffer.alloc(16)
  for (const [index, word] of [...head, ...zeros, ...tail].entries()) {
    octets.writeUInt16BE(Number.parseInt(word, 16), index * 2)
  }
  return octets
}

/** Tells whether an address, however it is spelled, stands for all addresses of this machine. */
export function isWildcard(address: string): boolean {
  if (!isIPv6(address)) return address === '0.0.0.0'
  const bare = address.replace(/%.*/, '')
  const { address: canonical } = new SocketAddress({ address: bare, family: 'ipv6' })
  return canonical === '::' || mapped.exec(canonical)?.[1] === '0.0.0.0'
}

/**
 * The key of a client, by which its view is found, for the address that a socket gives: dual-stack sockets spell IPv4
 * clients `::ffff:a.b.c.d`, link-local ones carry a scope. Makes no string for a plain IPv4 address.
 */
export function clientKey(address: string): string {
  if (!address.includes(':')) return address
  const plain = mapped.exec(address)?.[1]
  if (plain !== undefined) return plain
  const scope = address.indexOf('%')
  return scope === -1 ? address : address.slice(0, scope)
}

/**
 * Spares datagram sockets the resolver, which an address does not need: a datagram leaves in the call that sends it.
 */
export const addressOnly: NonNullable<SocketOptions['lookup']> = (host, _options, done) =>
  done(null, host, host.includes(':') ? 6 : 4)
