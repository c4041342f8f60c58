import { isIPv4, isIPv6 } from 'node:net'
import { DnsError } from './errors.ts'

/** RFC 4343: only A to Z have a lower case. */
export function lowerCase(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/**
 * A host name as it is kept: lower case, without the final dot.
 *
 * @throws DnsError BAD_NAME
 */
export function hostName(name: string): string {
  const kept = lowerCase(name.endsWith('.') ? name.slice(0, -1) : name)
  // RFC 1035 section 2.3.4: 63 octets a label, 255 a name on the wire, which is 253 characters.
  const labels = kept.split('.')
  if (kept.length > 253 || !labels.every((label) => /^[a-z0-9_-]{1,63}$/.test(label))) {
    throw new DnsError(
      'BAD_NAME',
      `"${name}" is not a host name: labels of letters, digits, "-" and "_", 63 at most`,
    )
  }
  return kept
}

/** A name on the wire: each label behind its length, then 0. */
export function nameBytes(name: string): Buffer {
  if (name === '') return Buffer.of(0)
  const labels = name.split('.').map((label) => Buffer.from(label, 'latin1'))
  return Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)])
}

/** An address as its bytes. @throws DnsError BAD_ADDRESS */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  if (!isIPv6(address) || address.includes('%'))
    throw new DnsError('BAD_ADDRESS', `"${address}" is not an IP address`)
  // A dotted tail is two groups.
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [(Number(a) << 8) | Number(b), (Number(c) << 8) | Number(d)].map((group) => group.toString(16)).join(':'),
  )
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right]
  return Buffer.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  )
}

/** The name that an address is asked back by: RFC 1035 section 3.5, RFC 3596 section 2.5. */
export function reverseName(address: string): string {
  const bytes = [...addressBytes(address)]
  if (bytes.length === 4) return `${bytes.reverse().join('.')}.in-addr.arpa`
  const nibbles = bytes.flatMap((byte) => [byte >> 4, byte & 15]).reverse()
  return `${nibbles.map((nibble) => nibble.toString(16)).join('.')}.ip6.arpa`
}

/**
 * The reverse zones of an IPv4 subnet, cut at whole octets: 10.87.0.0/16 is 87.10.in-addr.arpa.
 *
 * @throws DnsError BAD_ZONE
 */
export function reverseZones(cidr: string): string[] {
  const [address = '', prefixText = ''] = cidr.split('/')
  const prefix = Number(prefixText)
  if (!isIPv4(address) || !Number.isInteger(prefix) || prefix < 8 || prefix > 32) {
    throw new DnsError('BAD_ZONE', `"${cidr}" is not an IPv4 subnet from /8 to /32`)
  }
  const octets = address.split('.').map(Number)
  const whole = Math.ceil(prefix / 8)
  const count = 2 ** (whole * 8 - prefix)
  return Array.from({ length: count }, (_, i) => {
    const own = octets.slice(0, whole)
    own[whole - 1] = (own[whole - 1] ?? 0) + i
    return `${own.reverse().join('.')}.in-addr.arpa`
  })
}
