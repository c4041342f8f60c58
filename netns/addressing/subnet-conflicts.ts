/** Finds routes of the host that lead into a network's subnet: of the two, the host could reach only one. */
import ip from 'ip'
import { addressNumber, type Subnet } from './addresses.ts'
import { masked, type Subnet6 } from './addresses6.ts'
import { type HostRoute, type HostRoutes, isForeign } from './host-routes.ts'

/**
 * The shortest prefixes that count as somebody's network. Wider routes are ways to the outside: VPNs cut the default
 * route in two or more, and IPv6 has `2000::/3` and `fc00::/7`.
 */
const widestNetwork = { ipv4: 8, ipv6: 9 } as const

/** Finds the first route that goes to a part of the subnet, or to more than it; default routes do not count. */
export function conflictOf(subnet: Subnet, routes: readonly HostRoute[]): HostRoute | undefined {
  return routes.find(({ address, length }) => {
    if (length < widestNetwork.ipv4) return false
    const first = addressNumber(address)
    const last = first + 2 ** (32 - length) - 1
    return first <= subnet.last && last >= subnet.first
  })
}

/** Finds the same for IPv6. */
export function conflictOf6(subnet: Subnet6, routes: readonly HostRoute[]): HostRoute | undefined {
  return routes.find(({ address, length }) => {
    if (length < widestNetwork.ipv6) return false
    const shared = Math.min(length, subnet.length)
    return masked(ip.toBuffer(address), shared).equals(masked(subnet.prefix, shared))
  })
}

/** Finds the routes of others that meet a network's subnets now: they came up later, as those of a VPN do. */
export function laterConflicts(
  subnet: Subnet,
  subnet6: Subnet6 | undefined,
  { routes, routes6 }: HostRoutes,
): HostRoute[] {
  return [
    conflictOf(subnet, routes.filter(isForeign)),
    subnet6 && conflictOf6(subnet6, routes6.filter(isForeign)),
  ].filter((route) => route !== undefined)
}
