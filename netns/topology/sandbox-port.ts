/** A sandbox as the kernel has it: a namespace, and a veth pair between it and a port of the bridge. */
import { closeSync } from 'node:fs'
import {
  addressBytes,
  addressText,
  gatewayOf,
  macBytes,
  macText,
  type Subnet,
} from '../addressing/addresses.ts'
import { address6Of, address6Text, type Subnet6 } from '../addressing/addresses6.ts'
import { sandboxLinkName } from '../addressing/kernel-names.ts'
import { faultPoint } from '../fault-points.ts'
import { createNamespace, inNamespace, NetlinkSocket, type Request, rtnetlink } from '../kernel/index.ts'
import type { NamespaceSettings } from './namespace-settings.ts'

export interface MadeSandbox {
  address: string
  /** Where the network has IPv6. */
  address6: string | undefined
  mac: string
  /** A descriptor of the namespace, valid in all threads of the process. */
  fd: number
}

export interface Port {
  readonly made: MadeSandbox
  /** The link's outer end. */
  readonly link: { name: string; index: number }
  /** Its namespace is not ours: `made.fd` is its owner's, and not kept. */
  readonly adopted: boolean
  /** The index of the bridge. */
  readonly bridge: number
}

export interface PortRequest {
  /** In the network's namespace. */
  socket: NetlinkSocket
  settings: NamespaceSettings
  link: { name: string; index: number }
  address: number
  subnet: Subnet
  subnet6: Subnet6 | undefined
  /** The index of the bridge. */
  bridge: number
  group: number
  mtu: number
}

const innerIndex = 1000

/** Where a sandbox's own end of the link is. */
interface Inner {
  /** In the sandbox's namespace. */
  socket: NetlinkSocket
  fd: number
  index: number
  name: string
  /** Somebody else made the namespace: it outlives the port, and may have its own way out. */
  adopted: { hasDefaultRoute: boolean; hasDefaultRoute6: boolean } | undefined
}

/** @throws NetnsError `KERNEL`; then nothing is left */
export function makePort(request: PortRequest): Port {
  const { fd, value: socket } = createNamespace(() => {
    // What a process without capabilities may do here: ping, and listen on any port.
    request.settings.write({
      'ipv4/ping_group_range': '0 2147483647',
      'ipv4/ip_unprivileged_port_start': '0',
    })
    return new NetlinkSocket()
  })
  faultPoint('sandbox-namespace-made')
  using namespace = socket
  return attach(request, {
    socket: namespace,
    fd,
    index: innerIndex,
    name: sandboxLinkName,
    adopted: undefined,
  })
}

/**
 * The same for a namespace that somebody else made. What it has already stays: the link gets a name that is free, and
 * a default route only where there is none. The descriptor is not kept, so that the namespace can end.
 *
 * @throws NetnsError `KERNEL`; then nothing is left
 */
export function adoptPort(request: PortRequest, fd: number): Port {
  using socket = inNamespace(fd, () => new NetlinkSocket())
  const links = rtnetlink.listLinks(socket)
  const names = new Set(links.map(({ name }) => name))
  let number = 0
  while (names.has(`eth${number}`)) number += 1
  const index = Math.max(innerIndex - 1, ...links.map((link) => link.index)) + 1
  const hasDefault = (family: 'ipv4' | 'ipv6') =>
    rtnetlink.listRoutes(socket, family).some((route) => route.length === 0 && route.index !== 1)
  const adopted = { hasDefaultRoute: hasDefault('ipv4'), hasDefaultRoute6: hasDefault('ipv6') }
  return attach(request, { socket, fd, index, name: `eth${number}`, adopted })
}

/** One address family of a port: what the sandbox is, and whom it sends everything to. */
interface Way {
  own: Uint8Array
  gateway: Uint8Array
  /** Undefined: everything. */
  to: { address: Uint8Array; length: number } | undefined
}

function waysOf({ address, subnet, subnet6 }: Omit<PortRequest, 'socket'>, adopted: Inner['adopted']): Way[] {
  const gateway = gatewayOf(subnet)
  const ways: Way[] = [
    {
      own: addressBytes(address),
      gateway: addressBytes(gateway),
      to: adopted?.hasDefaultRoute
        ? { address: addressBytes(subnet.first), length: subnet.length }
        : undefined,
    },
  ]
  if (subnet6 !== undefined) {
    ways.push({
      own: address6Of(subnet6, subnet, address),
      gateway: address6Of(subnet6, subnet, gateway),
      to: adopted?.hasDefaultRoute6 ? { address: subnet6.prefix, length: subnet6.length } : undefined,
    })
  }
  return ways
}

const whole = (address: Uint8Array) => ({ address, length: address.length * 8 })

/** The sandbox's own end. */
function innerRequests({ index, name }: Inner, ways: readonly Way[], gatewayMac: Uint8Array): Request[] {
  return [
    rtnetlink.bringLoopbackUp(),
    ...rtnetlink.bringUp(index, name),
    ...ways.flatMap(({ own, gateway, to }) => [
      rtnetlink.addAddress(index, own),
      rtnetlink.addRoute({ to: whole(gateway), index }),
      rtnetlink.addRoute({ ...(to === undefined ? {} : { to }), index, via: gateway }),
      rtnetlink.addNeighbour(index, gateway, gatewayMac),
    ]),
  ]
}

function attach(request: PortRequest, inner: Inner): Port {
  const { socket, link, address, subnet, bridge, group, mtu } = request
  const ways = waysOf(request, inner.adopted)
  const mac = macBytes(address)
  const own6 = ways[1]?.own
  const made = {
    address: addressText(address),
    address6: own6 && address6Text(own6),
    mac: macText(mac),
    fd: inner.fd,
  }
  const port = { made, link, adopted: inner.adopted !== undefined, bridge }
  try {
    const peer = { index: inner.index, name: inner.name, mac, namespace: inner.fd }
    socket.apply([
      rtnetlink.addVeth({ ...link, mtu, master: bridge, group, peer }),
      rtnetlink.quietPort(link.index),
      rtnetlink.addForwarding(link.index, mac),
      ...rtnetlink.bringUp(link.index, link.name),
      ...ways.flatMap(({ own, gateway }) => [
        // The address to send from is said, since of several bridges only the first has it.
        rtnetlink.addRoute({ to: whole(own), index: bridge, source: gateway }),
        rtnetlink.addNeighbour(bridge, own, mac),
      ]),
    ])
    faultPoint('sandbox-linked')
    inner.socket.apply(innerRequests(inner, ways, macBytes(gatewayOf(subnet))))
    faultPoint('sandbox-configured')
    return port
  } catch (error) {
    leaveUnrouted(socket, [port])
    removePorts(socket, [port])
    throw error
  }
}

const absent = ['ESRCH', 'ENOENT', 'ENODEV']

/** What leads to the sandboxes goes at once, so that their peers are refused. */
export function leaveUnrouted(socket: NetlinkSocket, ports: readonly Port[]): void {
  const requests = ports.flatMap(({ made, bridge }) =>
    [made.address, made.address6]
      .filter((address) => address !== undefined)
      .map(addressBytes)
      .flatMap((own) => [
        rtnetlink.removeRoute({ to: whole(own), index: bridge }),
        rtnetlink.removeNeighbour(bridge, own),
      ]),
  )
  // It had not got so far, or its namespace has taken it along.
  socket.apply(requests, absent)
}

/**
 * The link goes with the namespace, which is closed here; an adopted one stays, so its link is removed, and that takes
 * the kernel 16 ms.
 */
export function removePorts(socket: NetlinkSocket, ports: readonly Port[]): void {
  const adopted = ports.filter((port) => port.adopted)
  for (const { made, adopted: foreign } of ports) if (!foreign) closeSync(made.fd)
  socket.apply(
    adopted.map(({ link }) => rtnetlink.removeLink(link.index, link.name)),
    absent,
  )
}
