/** The uplink: the one veth pair between a network's namespace and the host. */
import { createHash } from 'node:crypto'
import { addressBytes, macBytes, parseSubnet } from '../addressing/addresses.ts'
import { innerUplinkName, uplinkName, uplinkPrefix } from '../addressing/kernel-names.ts'
import type { HostRoute } from '../addressing/read-host.ts'
import { chooseUplinkAddresses, uplinkAddress6 } from '../addressing/uplink-addresses.ts'
import { faultPoint } from '../fault-points.ts'
import { inNamespace, linkIndex, type NetlinkSocket, NetnsError, rtnetlink } from '../kernel/index.ts'
import { networkGroup } from './link-groups.ts'

export interface UplinkRequest {
  instance: string
  /** The name of the network. */
  name: string
  /** The subnet that the addresses are from. */
  range: string
  routes: readonly HostRoute[]
  mtu: number
  ipv6: boolean
  /** In the host's namespace. */
  host: NetlinkSocket
  /** In the network's namespace. */
  socket: NetlinkSocket
  /** A descriptor of the network's namespace. */
  namespace: number
  /** Writes the link's name down before the link is made: recovery removes what is in no living owner's file. */
  announce: (link: string) => void
}

/** A network's uplink: the indexes of the host's end and of its own, and the addresses of both. */
export interface Uplink {
  index: number
  inner: number
  outside: Uint8Array
  inside: Uint8Array
}

/** Makes the uplink. When that fails half-way, `removeNetworkLinks` removes what there is of it. */
export function makeUplink(request: UplinkRequest): Uplink {
  const { instance, name, range, routes, mtu, ipv6, host, socket, namespace } = request
  const start = createHash('sha256').update(`${instance}/${name}`).digest().readUInt32LE(0)
  const pair = chooseUplinkAddresses(parseSubnet(range, 31), routes, start)
  const [outside, inside] = [addressBytes(pair.host), addressBytes(pair.network)]
  const [outsideMac, insideMac] = [macBytes(pair.host), macBytes(pair.network)]
  const peer = { index: 0, name: innerUplinkName, mac: insideMac, namespace, group: networkGroup }
  const link = addUplinkPair(request, { mac: outsideMac, mtu, peer })
  faultPoint('uplink-made')
  const inner = inNamespace(namespace, () => linkIndex(innerUplinkName))
  const ends = [{ inside, outside }]
  if (ipv6) ends.push({ inside: uplinkAddress6(inside), outside: uplinkAddress6(outside) })
  // IPv4 has a route to the other end by itself; IPv6 makes one only when both are up, at its own time.
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

/** Removes the uplink of a network whose holder is gone, from the host; the routes over it go with it. */
export function removeUplink(host: NetlinkSocket, { index, name }: rtnetlink.FoundLink): void {
  host.apply([rtnetlink.removeLink(index, name)], ['ENODEV'])
}

/** Lists the host's ends of an instance's uplinks. */
export function listUplinks(host: NetlinkSocket, instance: string): rtnetlink.FoundLink[] {
  return rtnetlink.listLinks(host).filter(({ name }) => name.startsWith(uplinkPrefix(instance)))
}

/** How many uplinks this process has made so far. */
let uplinks = 0

function addUplinkPair(
  { host, instance, announce }: UplinkRequest,
  pair: Omit<rtnetlink.Veth, 'name' | 'index'>,
): { name: string; index: number } {
  for (let tries = 1; ; tries++) {
    const name = uplinkName(instance, uplinks++)
    announce(name)
    try {
      host.apply([rtnetlink.addVeth({ ...pair, index: 0, name })])
      return { name, index: linkIndex(name) }
    } catch (error) {
      // The name belongs to an uplink that is not quite gone.
      if (!(error instanceof NetnsError && error.errno === 'EEXIST') || tries === 100) throw error
    }
  }
}
