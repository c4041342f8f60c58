import { DnsError } from '../errors.ts'
import { parseAddress } from '../wire/address.ts'
import { parsePrefix } from '../wire/subnet.ts'

/**
 * The zones that hold the reverse names of a subnet, and of nothing else. Where its prefix ends within a label, there
 * are several, at most 128: 10.0.0.0/22 has four of three labels.
 * @param cidr such as `10.88.0.0/16` or `fd00:88::/64`
 */
export function reverseZones(cidr: string): string[] {
  const [base = '', ...prefixTexts] = cidr.split('/')
  const { octets } = parseAddress(base)
  const isFour = octets.length === 4
  const prefix = parsePrefix(prefixTexts, octets)
  if (prefix === undefined) {
    throw new DnsError(
      'INVALID_OPTION',
      `reverse: "${cidr}" is not a subnet such as 10.88.0.0/16 or fd00:88::/64`,
    )
  }
  const [bits, suffix] = isFour ? [8, 'in-addr.arpa'] : [4, 'ip6.arpa']
  const labels = isFour ? [...octets] : [...octets.toString('hex')].map((digit) => Number.parseInt(digit, 16))
  const whole = Math.floor(prefix / bits)
  const spell = (label: number) => label.toString(isFour ? 10 : 16)
  const wholeLabels = labels.slice(0, whole).map(spell).reverse()
  const within = prefix % bits
  if (within === 0) return [[...wholeLabels, suffix].join('.')]
  const step = 2 ** (bits - within)
  const first = (labels[whole] as number) & ~(step - 1)
  return Array.from({ length: step }, (_, index) => [spell(first + index), ...wholeLabels, suffix].join('.'))
}
