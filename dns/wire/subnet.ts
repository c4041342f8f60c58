import { SocketAddress } from 'node:net'
import { DnsError } from '../errors.ts'
import { parseAddress } from './address.ts'

/** A block of addresses. A single address is a block with the longest prefix. */
export interface Subnet {
  /** `10.0.0.0/16`, with no bit set behind the prefix; a single address has no prefix here. */
  readonly text: string
  readonly octets: Buffer
  readonly prefix: number
}

/**
 * @param text an address or a CIDR; bits behind the prefix are ignored
 * @throws DnsError `INVALID_ADDRESS`
 */
export function parseSubnet(text: string): Subnet {
  const [base = '', ...prefixTexts] = typeof text === 'string' ? text.split('/') : [text]
  const address = parseAddress(base)
  const bits = address.octets.length * 8
  if (prefixTexts.length === 0) return { ...address, prefix: bits }
  const prefix = parsePrefix(prefixTexts, address.octets)
  if (prefix === undefined) {
    throw new DnsError('INVALID_ADDRESS', `"${text}" is not a subnet such as 10.88.0.0/16 or fd00:88::/64`)
  }
  if (prefix === bits) return { ...address, prefix }
  const octets = address.octets.map((octet, index) => octet & mask(prefix, index)) as Buffer
  const plain = bits === 32 ? [...octets].join('.') : ipv6Text(octets)
  return { text: `${plain}/${prefix}`, octets: Buffer.from(octets), prefix }
}

/**
 * The length of a prefix, for an address of these octets; `undefined` if it is none.
 * @param texts the parts of a CIDR behind its slashes: a valid one has a single part
 */
export function parsePrefix([text = '', ...rest]: readonly string[], octets: Uint8Array): number | undefined {
  const prefix = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN
  return rest.length === 0 && prefix <= octets.length * 8 ? prefix : undefined
}

export function contains({ octets, prefix }: Subnet, address: Buffer): boolean {
  if (octets.length !== address.length) return false
  for (let index = 0; index * 8 < prefix; index++) {
    if (((address[index] as number) & mask(prefix, index)) !== octets[index]) return false
  }
  return true
}

/** The bits of an octet that a prefix covers. */
function mask(prefix: number, index: number): number {
  const covered = Math.min(Math.max(prefix - index * 8, 0), 8)
  return (0xff << (8 - covered)) & 0xff
}

function ipv6Text(octets: Buffer): string {
  const words = Array.from({ length: 8 }, (_, index) =>
    Buffer.from(octets)
      .readUInt16BE(index * 2)
      .toString(16),
  )
  return new SocketAddress({ address: words.join(':'), family: 'ipv6' }).address
}
