/** Finds routes of the host that lead into a network's subnet: of the two, the host could reach only one. */
import ip from 'ip'
import { addressNumber, type Subnet } from './addresses.ts'
import { masked, type Subnet6 } from './addresses6.ts'
import { type HostRoute, type HostRoutes, isForeign } from './read-host.ts'

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

/** Leaves out those that lie within others, and all but one of equal ones: a set of intervals takes no other. */
export function withoutNested(subnets: readonly string[]): string[] {
  const parsed = subnets.map((text) => {
    const [address = '', length = ''] = text.split('/')
    return { text, bytes: ip.toBuffer(address), length: Number(length) }
  })
  const kept: typeof parsed = []
  for (const subnet of parsed.toSorted((a, b) => a.length - b.length)) {
    const within = kept.some(({ bytes, length }) => masked(subnet.bytes, length).equals(bytes))
    if (!within) kept.push(subnet)
  }
  return kept.map(({ text }) => text)
}
