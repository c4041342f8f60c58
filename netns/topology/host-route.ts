/** The host's own route to a network's sandboxes. It lies over the uplink and goes with it. */
import { addressBytes, type Subnet } from '../addressing/addresses.ts'
import type { Subnet6 } from '../addressing/addresses6.ts'
import { readHostRoutes, routeText } from '../addressing/read-host.ts'
import { conflictOf, conflictOf6 } from '../addressing/subnet-conflicts.ts'
import { chooseSubnet, chooseSubnet6, type SubnetChoice } from '../addressing/subnets.ts'
import { uplinkAddress6 } from '../addressing/uplink-addresses.ts'
import { type NetlinkSocket, NetnsError, rtnetlink } from '../kernel/index.ts'
import type { Uplink } from './uplink.ts'

/** Tells whether the host itself has a route to the sandboxes; if not, everything but that works. */
export type HostRouteState = { present: true } | { present: false; reason: string }

export interface ClaimedSubnet {
  subnet: Subnet
  subnet6: Subnet6 | undefined
  hostRoute: HostRouteState
}

/**
 * Chooses the subnet and adds the host's route to it. The route is also what keeps two processes from choosing the
 * same: the one whose route comes second is refused, and chooses again.
 */
export function claimSubnet(choice: SubnetChoice, host: NetlinkSocket, uplink: Uplink): ClaimedSubnet {
  for (;;) {
    const { routes, routes6 } = readHostRoutes(host)
    const [subnet, subnet6] = [chooseSubnet(choice, routes), chooseSubnet6(choice, routes6)]
    const conflict = conflictOf(subnet, routes) ?? (subnet6 && conflictOf6(subnet6, routes6))
    if (conflict !== undefined) {
      const reason = `${routeText(conflict)} of the host leads to another network`
      return { subnet, subnet6, hostRoute: { present: false, reason } }
    }
    const to = { address: addressBytes(subnet.first), length: subnet.length }
    try {
      host.apply([
        rtnetlink.addRoute({ to, index: uplink.index, via: uplink.inside, source: uplink.outside }),
      ])
    } catch (error) {
      // Another process was faster; the next look sees its route.
      if (!(error instanceof NetnsError && error.errno === 'EEXIST')) throw error
      continue
    }
    if (subnet6 !== undefined) {
      const [via, source] = [uplinkAddress6(uplink.inside), uplinkAddress6(uplink.outside)]
      const to6 = { address: subnet6.prefix, length: subnet6.length }
      host.apply([rtnetlink.addRoute({ to: to6, index: uplink.index, via, source })], ['EEXIST'])
    }
    return { subnet, subnet6, hostRoute: { present: true } }
  }
}

/** Finds out whether the host still has the route to a network that is opened again. */
export function findHostRoute(
  host: NetlinkSocket,
  subnet: string,
  uplink: string | undefined,
): HostRouteState {
  const { routes } = readHostRoutes(host)
  if (routes.some(({ address, length, link }) => link === uplink && `${address}/${length}` === subnet))
    return { present: true }
  return { present: false, reason: 'the host had a route to another network when this one was made' }
}
