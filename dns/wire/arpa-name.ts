import { DnsError } from '../errors.ts'
import { parseAddress } from './address.ts'
import { textName } from './name.ts'

/** The same as text. */
export const reverseName = (octets: Uint8Array): string => textName(reverseWire(octets))

const fourSuffix = Buffer.from('\x07in-addr\x04arpa\x00', 'latin1')
const sixSuffix = Buffer.from('\x03ip6\x04arpa\x00', 'latin1')
const zero = 0x30
const letterA = 0x61

/** The name, in wire form, whose PTR record says an address's names (RFC 1035, 3.5; RFC 3596, 2.5). */
export function reverseWire(octets: Uint8Array): Buffer {
  return octets.length === 4 ? reverseFour(octets) : reverseSix(octets)
}

function reverseFour(octets: Uint8Array): Buffer {
  let size = fourSuffix.length
  for (const octet of octets) size += octet > 99 ? 4 : octet > 9 ? 3 : 2
  const wire = Buffer.alloc(size)
  let at = 0
  for (let index = 3; index >= 0; index--) {
    const octet = octets[index] as number
    const digits = octet > 99 ? 3 : octet > 9 ? 2 : 1
    wire[at++] = digits
    if (digits === 3) wire[at++] = zero + Math.trunc(octet / 100)
    if (digits >= 2) wire[at++] = zero + (Math.trunc(octet / 10) % 10)
    wire[at++] = zero + (octet % 10)
  }
  wire.set(fourSuffix, at)
  return wire
}

function reverseSix(octets: Uint8Array): Buffer {
  const wire = Buffer.alloc(64 + sixSuffix.length)
  let at = 0
  for (let index = 15; index >= 0; index--) {
    const octet = octets[index] as number
    for (const nibble of [octet & 15, octet >> 4]) {
      wire[at++] = 1
      wire[at++] = nibble < 10 ? zero + nibble : letterA - 10 + nibble
    }
  }
  wire.set(sixSuffix, at)
  return wire
}

/**
 * The zones that hold the reverse names of a subnet, and of nothing else. Where its prefix ends within a label, there
 * are several, at most 128: 10.0.0.0/22 has four of three labels.
 * @param cidr such as `10.88.0.0/16` or `fd00:88::/64`
 */
export function reverseZones(cidr: string): string[] {
  const [base = '', prefixText = '', ...rest] = cidr.split('/')
  const { octets } = parseAddress(base)
  const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : -1
  if (rest.length > 0 || prefix < 0 || prefix > octets.length * 8) {
    throw new DnsError(
      'INVALID_OPTION',
      `reverse: "${cidr}" is not a subnet such as 10.88.0.0/16 or fd00:88::/64`,
    )
  }
  const [bits, suffix] = octets.length === 4 ? [8, 'in-addr.arpa'] : [4, 'ip6.arpa']
  const labels =
    octets.length === 4 ? [...octets] : [...octets.toString('hex')].map((c) => Number.parseInt(c, 16))
  const whole = Math.floor(prefix / bits)
  const spell = (label: number) => label.toString(octets.length === 4 ? 10 : 16)
  const kept = labels.slice(0, whole).map(spell).reverse()
  const within = prefix % bits
  if (within === 0) return [[...kept, suffix].join('.')]
  const step = 2 ** (bits - within)
  const first = (labels[whole] as number) & ~(step - 1)
  return Array.from({ length: step }, (_, index) => [spell(first + index), ...kept, suffix].join('.'))
}
