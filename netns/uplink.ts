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
} from './addresses.ts'
import { lookAtHost } from './host.ts'
import { inNamespace, linkIndex, type NetlinkSocket, NetnsError, rtnetlink } from './kernel/index.ts'
import { innerUplinkName, uplinkName, uplinkPrefix } from './names.ts'

/** Whether the host itself has a route to the sandboxes; if not, everything but that works. */
export type HostRouteState = { present: true } | { present: false; reason: string }

export interface SubnetWish {
  /** This one or none. */
  subnet?: string
  /** The first of these that is free. */
  subnets?: readonly string[]
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
    `${subnet} is in use on this host: it meets the route ${routeText(conflict)}`,
  )
}

const isForeign = ({ link }: HostRoute) => !(link?.startsWith(uplinkPrefix()) ?? false)

export interface UplinkParts {
  instance: string
  name: string
  range: string
  routes: readonly HostRoute[]
  mtu: number
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
  const { instance, name, range, routes, mtu, host, socket, namespace, group, steps } = parts
  const start = createHash('sha256').update(`${instance}/${name}`).digest().readUInt32LE(0)
  const pair = chooseUplink(parseSubnet(range, 31), routes, start)
  const [outside, inside] = [addressBytes(pair.host), addressBytes(pair.network)]
  const [outsideMac, insideMac] = [macBytes(pair.host), macBytes(pair.network)]
  const peer = { index: 0, name: innerUplinkName, mac: insideMac, namespace, group }
  const link = addUplinkPair(host, instance, { mac: outsideMac, mtu, peer })
  // With the uplink go the sandboxes' links: one by one they would take the kernel minutes.
  steps.defer(() => removeLinks(socket, group))
  const inner = inNamespace(namespace, () => linkIndex(innerUplinkName))
  socket.apply([
    ...rtnetlink.bringUp(inner, innerUplinkName),
    rtnetlink.addAddress(inner, inside, outside),
    rtnetlink.addNeighbour(inner, outside, outsideMac),
    rtnetlink.addRoute({ index: inner, via: outside }),
  ])
  host.apply([
    ...rtnetlink.bringUp(link.index, link.name),
    rtnetlink.addAddress(link.index, outside, inside),
    rtnetlink.addNeighbour(link.index, inside, insideMac),
  ])
  return { index: link.index, inner, outside, inside }
}

/**
 * Chooses the subnet and adds the host's route to it. That is also what keeps two processes from choosing the same:
 * the one whose route comes second is refused, and chooses again.
 */
export function claimSubnet(
  wish: SubnetWish,
  host: NetlinkSocket,
  { index, outside, inside }: Uplink,
): { subnet: Subnet; hostRoute: HostRouteState } {
  for (;;) {
    const { routes } = lookAtHost(host)
    const subnet = subnetFor(wish, routes)
    const conflict = conflictOf(subnet, routes)
    if (conflict !== undefined) {
      const reason = `the host's route ${routeText(conflict)} leads to another network`
      return { subnet, hostRoute: { present: false, reason } }
    }
    const to = { address: addressBytes(subnet.first), length: subnet.length }
    try {
      host.apply([rtnetlink.addRoute({ to, index, via: inside, source: outside })])
      return { subnet, hostRoute: { present: true } }
    } catch (error) {
      // Another process was faster. Now its route is there to be seen.
      if (!(error instanceof NetnsError && error.errno === 'EEXIST')) throw error
    }
  }
}

function addUplinkPair(host: NetlinkSocket, instance: string, pair: Omit<Veth, 'name' | 'index'>) {
  for (let tries = 1; ; tries++) {
    const name = uplinkName(instance, uplinks++)
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

function removeLinks(socket: NetlinkSocket, group: number): void {
  try {
    socket.apply([rtnetlink.removeLinkGroup(group)])
  } catch (error) {
    // Somebody removed the uplink by hand.
    if (!(error instanceof NetnsError && error.errno === 'ENODEV')) throw error
  }
}
