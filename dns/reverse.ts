import { parseAddress } from './address.ts'
import { DnsError } from './errors.ts'

/** The name whose PTR record says an address's names (RFC 1035, 3.5; RFC 3596, 2.5). */
export function reverseName(octets: Buffer): string {
  if (octets.length === 4) return `${[...octets].reverse().join('.')}.in-addr.arpa`
  return `${[...octets.toString('hex')].reverse().join('.')}.ip6.arpa`
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
