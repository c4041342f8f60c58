/** Chooses a network's subnet: the one that was asked for, or the first of a list that is free on this host. */
import { NetnsError } from '../kernel/index.ts'
import { parseSubnet, type Subnet } from './addresses.ts'
import { parseSubnet6, randomSubnet6, type Subnet6 } from './addresses6.ts'
import { type HostRoute, isForeign, routeText } from './read-host.ts'
import { conflictOf, conflictOf6 } from './subnet-conflicts.ts'

const numbered = (first: number, count: number, write: (number: number) => string) =>
  Array.from({ length: count }, (_, index) => write(first + index))

/**
 * The subnets that are tried in turn unless others are given. Docker, Podman, Kubernetes and home routers use none of the
 * first 32. The others are for hosts with a VPN: many take all of 10.0.0.0/8, some all private addresses (RFC 1918). Then
 * there is the range for measurements (RFC 2544), and a part of that of providers (RFC 6598) in which no cloud has its
 * metadata.
 */
export const defaultSubnets: readonly string[] = [
  ...numbered(200, 32, (number) => `10.${number}.0.0/16`),
  ...numbered(24, 7, (number) => `172.${number}.0.0/16`),
  ...numbered(9, 6, (number) => `192.168.${number * 16}.0/20`),
  ...numbered(18, 2, (number) => `198.${number}.0.0/16`),
  ...numbered(112, 16, (number) => `100.${number}.0.0/16`),
]

export interface SubnetChoice {
  /** This one or none. */
  subnet?: string
  /** The first of these that is free. */
  subnets?: readonly string[]
  /** With IPv6: this subnet, or `true` for a random one of our own. */
  ipv6?: boolean | string
}

/** @throws NetnsError `SUBNET_IN_USE`, `NO_SUBNET` */
export function chooseSubnet(
  { subnet: text, subnets = defaultSubnets }: SubnetChoice,
  routes: readonly HostRoute[],
): Subnet {
  if (text === undefined) return firstFree(subnets, routes)
  const subnet = parseSubnet(text)
  // Another network may have the same subnet: both are in namespaces of their own.
  const conflict = conflictOf(subnet, routes.filter(isForeign))
  if (conflict === undefined) return subnet
  throw new NetnsError(
    'SUBNET_IN_USE',
    `${text} is in use on this host: it meets ${routeText(conflict)}; choose another, or give a list to choose from`,
  )
}

/**
 * Returns the first candidate that no route of the host meets, those to our own networks included.
 *
 * @throws NetnsError `NO_SUBNET`, with what stands in the way
 */
function firstFree(candidates: readonly string[], routes: readonly HostRoute[]): Subnet {
  const taken = new Map<string, string[]>()
  for (const candidate of candidates) {
    const subnet = parseSubnet(candidate)
    const conflict = conflictOf(subnet, routes)
    if (conflict === undefined) return subnet
    const route = routeText(conflict)
    taken.set(route, [...(taken.get(route) ?? []), candidate])
  }
  const clauses = [...taken].map(
    ([route, met]) => `${spanText(met)} ${met.length === 1 ? 'meets' : 'meet'} ${route}`,
  )
  const more = clauses.length - mostClauses
  const said = more > 0 ? [...clauses.slice(0, mostClauses), `and ${more} more`] : clauses
  throw new NetnsError(
    'NO_SUBNET',
    `none of ${candidates.length} candidate subnets is free on this host: ${said.join('; ')}`,
  )
}

/** An error is to be read. */
const mostClauses = 6

const spanText = (subnets: readonly string[]) =>
  subnets.length < 3
    ? subnets.join(' and ')
    : `${subnets[0]} to ${subnets.at(-1)} (${subnets.length} of them)`

/** @throws NetnsError `SUBNET_IN_USE` */
export function chooseSubnet6(
  { ipv6 = false }: SubnetChoice,
  routes: readonly HostRoute[],
): Subnet6 | undefined {
  if (ipv6 === false) return undefined
  if (ipv6 === true) {
    let subnet = randomSubnet6()
    while (conflictOf6(subnet, routes) !== undefined) subnet = randomSubnet6()
    return subnet
  }
  const subnet = parseSubnet6(ipv6)
  const conflict = conflictOf6(subnet, routes.filter(isForeign))
  if (conflict === undefined) return subnet
  throw new NetnsError('SUBNET_IN_USE', `${ipv6} is in use on this host: it meets ${routeText(conflict)}`)
}
