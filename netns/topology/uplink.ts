/** The one link between a network and its host, and the host's route over it; with it goes the choice of the subnet. */
import { createHash } from 'node:crypto'
import {
  addressBytes,
  chooseSubnet,
  chooseUplink,
  conflictOf,
  defaultSubnets,
  type HostRoute,
  macBytes,
  parseSubnet,
  routeText,
  type Subnet,
} from '../addressing/addresses.ts'
import {
  conflictOf6,
  parseSubnet6,
  randomSubnet6,
  type Subnet6,
  uplinkAddress6,
} from '../addressing/addresses6.ts'
import { innerUplinkName, uplinkName, uplinkPrefix } from '../addressing/kernel-names.ts'
import { faultPoint } from '../fault-points.ts'
import { inNamespace, linkIndex, type NetlinkSocket, NetnsError, rtnetlink } from '../kernel/index.ts'
import type { Claim } from '../ownership/claim.ts'
import { type HostView, lookAtHost } from '../worker/hold-host.ts'

/** Whether the host itself has a route to the sandboxes; if not, everything but that works. */
export type HostRouteState = { present: true } | { present: false; reason: string }

export interface SubnetWish {
  /** This one or none. */
  subnet?: string
  /** The first of these that is free. */
  subnets?: readonly string[]
  /** With IPv6: this subnet, or `true` for a random one of our own. */
  ipv6?: boolean | string
}

/** Uplinks of this process so far. */
let uplinks = 0

/** @throws NetnsError `SUBNET_IN_USE`, `NO_SUBNET` */
export function subnetFor(
  { subnet, subnets = defaultSubnets }: SubnetWish,
  routes: readonly HostRoute[],
): Subnet {
  if (subnet === undefined) return chooseSubnet(subnets, routes)
  const wanted = parseSubnet(subnet)
  // Another network may have the same subnet: both are in namespaces of their own.
  const conflict = conflictOf(wanted, routes.filter(isForeign))
  if (conflict === undefined) return wanted
  throw new NetnsError(
    'SUBNET_IN_USE',
    `${subnet} is in use on this host: it meets ${routeText(conflict)}; choose another, or give a list to choose from`,
  )
}

/** @throws NetnsError `SUBNET_IN_USE` */
export function subnet6For({ ipv6 = false }: SubnetWish, routes: readonly HostRoute[]): Subnet6 | undefined {
  if (ipv6 === false) return undefined
  if (ipv6 === true) {
    let subnet = randomSubnet6()
    while (conflictOf6(subnet, routes) !== undefined) subnet = randomSubnet6()
    return subnet
  }
  const wanted = parseSubnet6(ipv6)
  const conflict = conflictOf6(wanted, routes.filter(isForeign))
  if (conflict === undefined) return wanted
  throw new NetnsError('SUBNET_IN_USE', `${ipv6} is in use on this host: it meets ${routeText(conflict)}`)
}

export const isForeign = ({ link }: HostRoute) => !(link?.startsWith(uplinkPrefix()) ?? false)

export interface UplinkParts {
  instance: string
  claim: Claim
  range: string
  routes: readonly HostRoute[]
  mtu: number
  ipv6: boolean
  host: NetlinkSocket
  socket: NetlinkSocket
  namespace: number
  group: number
  steps: AsyncDisposableStack
}

/** A network's uplink: the indexes of the host's end and of its own, and the addresses of both. */
export interface Uplink {
  index: number
  inner: number
  outside: Uint8Array
  inside: Uint8Array
}

export function makeUplink(parts: UplinkParts): Uplink {
  const { instance, claim, range, routes, mtu, ipv6, host, socket, namespace, group, steps } = parts
  const start = createHash('sha256').update(`${instance}/${claim.name}`).digest().readUInt32LE(0)
  const pair = chooseUplink(parseSubnet(range, 31), routes, start)
  const [outside, inside] = [addressBytes(pair.host), addressBytes(pair.network)]
  const [outsideMac, insideMac] = [macBytes(pair.host), macBytes(pair.network)]
  const peer = { index: 0, name: innerUplinkName, mac: insideMac, namespace, group }
  const link = addUplinkPair(host, claim, instance, { mac: outsideMac, mtu, peer })
  // With the uplink go the sandboxes' links: one by one they would take the kernel minutes.
  steps.defer(() => removeLinks(socket, group))
  faultPoint('uplink-made')
  const inner = inNamespace(namespace, () => linkIndex(innerUplinkName))
  const ends = [{ inside, outside }]
  if (ipv6) ends.push({ inside: uplinkAddress6(inside), outside: uplinkAddress6(outside) })
  // To the other end IPv4 has a route by itself; IPv6 makes one only when both are up, at its own time.
  const toPeer = (index: number, address: Uint8Array) =>
    address.length === 16 ? [rtnetlink.addRoute({ to: { address, length: 128 }, index })] : []
  socket.apply([
    ...rtnetlink.bringUp(inner, innerUplinkName),
    ...ends.flatMap((end) => [
      rtnetlink.addAddress(inner, end.inside, end.outside),
      rtnetlink.addNeighbour(inner, end.outside, outsideMac),
      ...toPeer(inner, end.outside),
      rtnetlink.addRoute({ index: inner, via: end.outside }),
    ]),
  ])
  host.apply([
    ...rtnetlink.bringUp(link.index, link.name),
    ...ends.flatMap((end) => [
      rtnetlink.addAddress(link.index, end.outside, end.inside),
      rtnetlink.addNeighbour(link.index, end.inside, insideMac),
      ...toPeer(link.index, end.inside),
    ]),
  ])
  faultPoint('uplink-up')
  return { index: link.index, inner, outside, inside }
}

export interface ClaimedSubnet {
  subnet: Subnet
  subnet6: Subnet6 | undefined
  hostRoute: HostRouteState
}

/**
 * Chooses the subnet and adds the host's route to it. That is also what keeps two processes from choosing the same:
 * the one whose route comes second is refused, and chooses again.
 */
export function claimSubnet(wish: SubnetWish, host: NetlinkSocket, uplink: Uplink): ClaimedSubnet {
  for (;;) {
    const view = lookAtHost(host)
    const [subnet, subnet6] = [subnetFor(wish, view.routes), subnet6For(wish, view.routes6)]
    const conflict = conflictOf(subnet, view.routes) ?? (subnet6 && conflictOf6(subnet6, view.routes6))
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
      // Another process was faster. Now its route is there to be seen.
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

/** What of the host's routes meets a network's subnets now: it came up later, as a VPN does. */
export function conflictsOf(subnet: Subnet, subnet6: Subnet6 | undefined, view: HostView): HostRoute[] {
  return [
    conflictOf(subnet, view.routes.filter(isForeign)),
    subnet6 && conflictOf6(subnet6, view.routes6.filter(isForeign)),
  ].filter((one) => one !== undefined)
}

function addUplinkPair(
  host: NetlinkSocket,
  claim: Claim,
  instance: string,
  pair: Omit<Veth, 'name' | 'index'>,
) {
  for (let tries = 1; ; tries++) {
    const name = uplinkName(instance, uplinks++)
    // Before it is there: what is in no living owner's file, recovery removes.
    claim.note({ uplink: name })
    try {
      host.apply([rtnetlink.addVeth({ ...pair, index: 0, name })])
      return { name, index: linkIndex(name) }
    } catch (error) {
      // The name of one that is not quite gone.
      if (!(error instanceof NetnsError && error.errno === 'EEXIST') || tries === 100) throw error
    }
  }
}

type Veth = Parameters<typeof rtnetlink.addVeth>[0]

/** Somebody may have removed the uplink by hand. */
export function removeLinks(socket: NetlinkSocket, group: number): void {
  socket.apply([rtnetlink.removeLinkGroup(group)], ['ENODEV'])
}
