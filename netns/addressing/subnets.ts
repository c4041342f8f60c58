/** Chooses a network's subnet: the one that was asked for, or the first of a list that is free on this host. */
import { NetnsError } from '../kernel/index.ts'
import { parseSubnet, type Subnet } from './addresses.ts'
import { parseSubnet6, randomSubnet6, type Subnet6 } from './addresses6.ts'
import { type HostRoute, isForeign, routeText } from './host-routes.ts'
import { conflictOf, conflictOf6 } from './subnet-conflicts.ts'

/** The subnets that are tried in turn unless others are given; Docker, Podman, Kubernetes and home routers use none. */
export const defaultSubnets = Array.from({ length: 32 }, (_, index) => `10.${200 + index}.0.0/16`)

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
 * @throws NetnsError `NO_SUBNET`, with what stands in the way of each
 */
function firstFree(candidates: readonly string[], routes: readonly HostRoute[]): Subnet {
  const conflicts: string[] = []
  for (const candidate of candidates) {
    const subnet = parseSubnet(candidate)
    const conflict = conflictOf(subnet, routes)
    if (conflict === undefined) return subnet
    conflicts.push(`${candidate} meets ${routeText(conflict)}`)
  }
  throw new NetnsError('NO_SUBNET', `no candidate subnet is free on this host: ${conflicts.join('; ')}`)
}

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
