/** IPv4: subnets, and addresses and MACs as numbers, octets and text. `ip` is given validated input only. */
import ip from 'ip'
import { NetnsError } from '../kernel/index.ts'

/** A validated IPv4 subnet; `first` and `last` are its network and broadcast address. */
export interface Subnet {
  readonly text: string
  readonly length: number
  readonly first: number
  readonly last: number
}

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const cidrPattern = new RegExp(`^(${octet}(?:\\.${octet}){3})/([1-9]|[12]\\d|3[0-2])$`)

/**
 * @param narrowest - the longest prefix that still has room for what is to be in it
 * @throws NetnsError `BAD_CIDR`
 */
export function parseSubnet(text: string, narrowest = 30): Subnet {
  const match = cidrPattern.exec(text)
  const length = Number(match?.[2])
  if (match === null) {
    throw new NetnsError('BAD_CIDR', `"${text}" is not an IPv4 subnet; write it like 10.88.0.0/16`)
  }
  if (length < 8 || length > narrowest) {
    throw new NetnsError('BAD_CIDR', `${text} cannot be used: its prefix must be from /8 to /${narrowest}`)
  }
  const { networkAddress, broadcastAddress } = ip.cidrSubnet(text)
  if (networkAddress !== match[1]) {
    throw new NetnsError(
      'BAD_CIDR',
      `${text} is an address in a subnet; the subnet is ${networkAddress}/${length}`,
    )
  }
  return { text, length, first: ip.toLong(networkAddress), last: ip.toLong(broadcastAddress) }
}

/** The gateway is the subnet's first host. */
export const gatewayOf = (subnet: Subnet) => subnet.first + 1

export const addressText = (address: number) => ip.fromLong(address)
export const addressNumber = (address: string) => ip.toLong(address)
export const addressBytes = (address: number | string) =>
  ip.toBuffer(typeof address === 'number' ? ip.fromLong(address) : address)

/**
 * Derives a locally administered MAC from an address: always the same one, so that nobody has to ask or to remember.
 */
export const macBytes = (address: number | string) =>
  Buffer.concat([Buffer.of(0x02, 0x6d), addressBytes(address)])
export const macText = (mac: Uint8Array) => Buffer.from(mac).toString('hex').replace(/..\B/g, '$&:')
