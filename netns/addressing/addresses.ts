/** CIDR arithmetic, the choice of a subnet, and the leases of its addresses. `ip` is given validated input only. */
import ip from 'ip'
import { NetnsError } from '../kernel/index.ts'

/** A validated IPv4 subnet; `first` and `last` are its network and broadcast address. */
export interface Subnet {
  readonly text: string
  readonly length: number
  readonly first: number
  readonly last: number
}

/** Where networks go that are not told where: apart from what Docker, Podman, Kubernetes and home routers use. */
export const defaultSubnets = Array.from({ length: 32 }, (_, index) => `10.${200 + index}.0.0/16`)

/** Link-local, so that no router takes it further; the metadata address is not in it. */
export const defaultUplinkRange = '169.254.240.0/20'

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

export const addressText = (address: number) => ip.fromLong(address)
export const addressBytes = (address: number | string) =>
  ip.toBuffer(typeof address === 'number' ? ip.fromLong(address) : address)

/** Locally administered, and the same for the same address, so that nobody has to ask or to remember. */
export const macBytes = (address: number | string) =>
  Buffer.concat([Buffer.of(0x02, 0x6d), addressBytes(address)])
export const macText = (mac: Uint8Array) => Buffer.from(mac).toString('hex').replace(/..\B/g, '$&:')

/** The gateway is the subnet's first host. */
export const gatewayOf = (subnet: Subnet) => subnet.first + 1

/** A route of the host, or one address that it needs: its own ones and its DNS servers. */
export interface HostRoute {
  address: string
  length: number
  /** The name of its link. */
  link: string | undefined
  /** It is no route, but the address of a server that this host asks for names. */
  nameserver?: boolean
}

export function routeText({ address, length, link, nameserver }: HostRoute): string {
  if (nameserver) return `the host's DNS server ${address}`
  return `the route ${address}/${length}${link === undefined ? '' : ` on ${link}`}`
}

/** What is wider is a way to the outside, not somebody's network: VPNs cut the default route in two, or in more. */
const widestNetwork = 8

/** The first route that goes to a part of the subnet, or to more than it; default routes do not count. */
export function conflictOf(subnet: Subnet, routes: readonly HostRoute[]): HostRoute | undefined {
  return routes.find(({ address, length }) => {
    if (length < widestNetwork) return false
    const first = ip.toLong(address)
    const last = first + 2 ** (32 - length) - 1
    return first <= subnet.last && last >= subnet.first
  })
}

/**
 * The first candidate that no route of the host meets.
 *
 * @throws NetnsError `NO_SUBNET`, with what stands in the way of each
 */
export function chooseSubnet(candidates: readonly string[], routes: readonly HostRoute[]): Subnet {
  const conflicts: string[] = []
  for (const candidate of candidates) {
    const subnet = parseSubnet(candidate)
    const conflict = conflictOf(subnet, routes)
    if (conflict === undefined) return subnet
    conflicts.push(`${candidate} meets ${routeText(conflict)}`)
  }
  throw new NetnsError('NO_SUBNET', `no candidate subnet is free on this host: ${conflicts.join('; ')}`)
}

/**
 * A pair of addresses that nobody on the host has: its own end's, and the network's.
 *
 * @param start - where to begin to look; different for each instance, so that two which choose at the same moment do
 *   not choose the same
 * @throws NetnsError `NO_UPLINK`
 */
export function chooseUplink(
  range: Subnet,
  routes: readonly HostRoute[],
  start: number,
): { host: number; network: number } {
  const taken = new Set(routes.filter(({ length }) => length === 32).map(({ address }) => ip.toLong(address)))
  const pairs = (range.last - range.first + 1) / 2
  for (let tried = 0; tried < pairs; tried++) {
    const host = range.first + 2 * ((start + tried) % pairs)
    if (!taken.has(host) && !taken.has(host + 1)) return { host, network: host + 1 }
  }
  throw new NetnsError('NO_UPLINK', `all ${pairs} address pairs of the uplink range ${range.text} are in use`)
}

/** As long as the kernel remembers a connection that was not answered (nf_conntrack_tcp_timeout_syn_sent). */
export const defaultQuarantine = 120_000

export interface AddressLeasesOptions {
  /** Milliseconds that a returned address rests, so that what was meant for its last holder reaches nobody. */
  quarantine?: number
  /** Milliseconds, from any beginning. */
  now?: () => number
  /** Where to begin: those before it were leased a moment ago. */
  next?: number | undefined
}

/** Who has which address of a subnet. The next lease is the next address, so that one is reused as late as can be. */
export class AddressLeases {
  readonly #first: number
  readonly #last: number
  readonly #subnet: string
  readonly #quarantine: number
  readonly #now: () => number
  readonly #leased = new Set<number>()
  /** Address -> when it may be used again; in the order in which they were returned. */
  readonly #resting = new Map<number, number>()
  #next: number

  constructor(
    subnet: Subnet,
    { quarantine = defaultQuarantine, now = () => performance.now(), next }: AddressLeasesOptions = {},
  ) {
    this.#first = gatewayOf(subnet) + 1
    this.#last = subnet.last - 1
    this.#subnet = subnet.text
    this.#next = next === undefined || next < this.#first || next > this.#last ? this.#first : next
    this.#quarantine = quarantine
    this.#now = now
  }

  get size(): number {
    return this.#leased.size
  }

  /** The address that comes next, if it is free. */
  get next(): number {
    return this.#next
  }

  /**
   * A free address; when none is but those that rest, the one that has rested longest.
   *
   * @throws NetnsError `ADDRESSES_EXHAUSTED`
   */
  take(): number {
    const now = this.#now()
    for (const [address, until] of this.#resting) {
      if (until > now) break
      this.#resting.delete(address)
    }
    const total = this.#last - this.#first + 1
    if (this.#leased.size >= total) {
      throw new NetnsError('ADDRESSES_EXHAUSTED', `all ${total} addresses of ${this.#subnet} are in use`)
    }
    if (this.#leased.size + this.#resting.size >= total) {
      const [oldest] = this.#resting.keys()
      return this.#lease(oldest as number)
    }
    for (;;) {
      const address = this.#next
      this.#next = address === this.#last ? this.#first : address + 1
      if (!this.#leased.has(address) && !this.#resting.has(address)) return this.#lease(address)
    }
  }

  #lease(address: number): number {
    this.#resting.delete(address)
    this.#leased.add(address)
    return address
  }

  release(address: number): void {
    if (this.#leased.delete(address)) this.rest(address)
  }

  /** As if it had just been released: somebody had it before this process. */
  rest(address: number): void {
    this.#resting.set(address, this.#now() + this.#quarantine)
  }
}
