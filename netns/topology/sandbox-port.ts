/** A sandbox in the kernel: a namespace, and a veth pair between it and a port of a bridge. */
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
import { networkGroup, removeLinksTogether } from './link-groups.ts'
import type { NamespaceSettings } from './namespace-settings.ts'

/** The facts about a sandbox that the worker passes to the main thread. */
export interface SandboxFacts {
  address: string
  /** Undefined where the network has no IPv6. */
  address6: string | undefined
  mac: string
  /** A descriptor of the namespace, valid in all threads of the process. */
  fd: number
}

export interface SandboxPort {
  readonly sandbox: SandboxFacts
  /** The link's outer end. */
  readonly link: { name: string; index: number }
  /** The namespace is somebody else's: `sandbox.fd` was its caller's, and is not kept. */
  readonly adopted: boolean
  /** The index of the bridge. */
  readonly bridge: number
}

export interface SandboxPortRequest {
  /** In the network's namespace. */
  socket: NetlinkSocket
  settings: NamespaceSettings
  link: { name: string; index: number }
  address: number
  subnet: Subnet
  subnet6: Subnet6 | undefined
  /** The index of the bridge. */
  bridge: number
  mtu: number
}

const innerIndex = 1000

/** The sandbox's own end of the link. */
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
export function makePort(request: SandboxPortRequest): SandboxPort {
  const { fd, value: socket } = createNamespace(() => {
    // A process without capabilities may ping here, and listen on any port.
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
 * Makes a port for a namespace that somebody else made. All that it has stays: the link gets a name that is free, and a
 * default route only where there is none. The descriptor is not kept, so that the namespace can end.
 *
 * @throws NetnsError `KERNEL`; then nothing is left
 */
export function adoptPort(request: SandboxPortRequest, fd: number): SandboxPort {
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

/** One address family of a port: the sandbox's address, and the route to its gateway. */
interface Way {
  own: Uint8Array
  /** The length of the subnet's prefix. */
  length: number
  gateway: Uint8Array
  /** The subnet that is reached by the gateway. Undefined: the gateway is the default route. */
  to: { address: Uint8Array; length: number } | undefined
}

function waysOf(
  { address, subnet, subnet6 }: Omit<SandboxPortRequest, 'socket'>,
  adopted: Inner['adopted'],
): Way[] {
  const gateway = gatewayOf(subnet)
  const ways: Way[] = [
    {
      own: addressBytes(address),
      length: subnet.length,
      gateway: addressBytes(gateway),
      to: adopted?.hasDefaultRoute
        ? { address: addressBytes(subnet.first), length: subnet.length }
        : undefined,
    },
  ]
  if (subnet6 !== undefined) {
    ways.push({
      own: address6Of(subnet6, subnet, address),
      length: subnet6.length,
      gateway: address6Of(subnet6, subnet, gateway),
      to: adopted?.hasDefaultRoute6 ? { address: subnet6.prefix, length: subnet6.length } : undefined,
    })
  }
  return ways
}

const whole = (address: Uint8Array) => ({ address, length: address.length * 8 })

/** Sets up the sandbox's own end. */
function innerRequests({ index, name }: Inner, ways: readonly Way[], gatewayMac: Uint8Array): Request[] {
  return [
    rtnetlink.bringLoopbackUp(),
    ...rtnetlink.bringUp(index, name),
    ...ways.flatMap(({ own, length, gateway, to }) => [
      rtnetlink.addAddressIn(index, own, length),
      rtnetlink.addRoute({ to: whole(gateway), index }),
      rtnetlink.addRoute({ ...(to === undefined ? {} : { to }), index, via: gateway }),
      rtnetlink.addNeighbour(index, gateway, gatewayMac),
    ]),
  ]
}

function attach(request: SandboxPortRequest, inner: Inner): SandboxPort {
  const { socket, link, address, subnet, bridge, mtu } = request
  const ways = waysOf(request, inner.adopted)
  const mac = macBytes(address)
  const own6 = ways[1]?.own
  const sandbox = {
    address: addressText(address),
    address6: own6 && address6Text(own6),
    mac: macText(mac),
    fd: inner.fd,
  }
  const port = { sandbox, link, adopted: inner.adopted !== undefined, bridge }
  try {
    const peer = { index: inner.index, name: inner.name, mac, namespace: inner.fd }
    socket.apply([
      rtnetlink.addVeth({ ...link, mtu, master: bridge, group: networkGroup, peer }),
      rtnetlink.quietPort(link.index),
      rtnetlink.addForwarding(link.index, mac),
      ...rtnetlink.bringUp(link.index, link.name),
      ...ways.flatMap(({ own, gateway }) => [
        // The source address is named, since of several bridges only the first has it.
        rtnetlink.addRoute({ to: whole(own), index: bridge, source: gateway }),
        rtnetlink.addNeighbour(bridge, own, mac),
      ]),
    ])
    faultPoint('sandbox-linked')
    inner.socket.apply(innerRequests(inner, ways, macBytes(gatewayOf(subnet))))
    faultPoint('sandbox-configured')
    return port
  } catch (error) {
    unroutePorts(socket, [port])
    removePorts(socket, [port])
    throw error
  }
}

const absent = ['ESRCH', 'ENOENT', 'ENODEV']

/** Removes all that leads to sandboxes, so that their peers are refused at once. */
export function unroutePorts(socket: NetlinkSocket, ports: readonly SandboxPort[]): void {
  const requests = ports.flatMap(({ sandbox, bridge }) =>
    [sandbox.address, sandbox.address6]
      .filter((address) => address !== undefined)
      .map(addressBytes)
      .flatMap((own) => [
        rtnetlink.removeRoute({ to: whole(own), index: bridge }),
        rtnetlink.removeNeighbour(bridge, own),
      ]),
  )
  // Some may be absent: they were not made yet, or the namespace has taken them along.
  socket.apply(requests, absent)
}

/** How many links are removed at once: the kernel lets nobody else change links meanwhile, for 0.4 ms each. */
export const mostLinksAtOnce = 100

/**
 * Removes the links of many ports before their namespaces are closed: the kernel reaps a namespace with a link in it
 * much more slowly than one without.
 *
 * @param goesOn - asked before each group of links
 */
export async function removePortLinks(
  socket: NetlinkSocket,
  ports: readonly SandboxPort[],
  goesOn: () => boolean,
): Promise<void> {
  for (let at = 0; at < ports.length && goesOn(); at += mostLinksAtOnce) {
    removeLinksTogether(
      socket,
      ports.slice(at, at + mostLinksAtOnce).map(({ link }) => link.index),
    )
    faultPoint('sandbox-links-removed')
    // Somebody may wait for a sandbox.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/**
 * Removes ports. A link goes with its namespace, which is closed here; an adopted namespace stays, so its link is
 * removed, and that takes the kernel 16 ms.
 */
export function removePorts(socket: NetlinkSocket, ports: readonly SandboxPort[]): void {
  closeNamespaces(ports)
  socket.apply(
    ports.filter(({ adopted }) => adopted).map(({ link }) => rtnetlink.removeLink(link.index, link.name)),
    absent,
  )
}

/** Closes the namespaces that are ours; a sandbox ends with its last holder. */
export function closeNamespaces(ports: readonly SandboxPort[]): void {
  for (const { sandbox, adopted } of ports) if (!adopted) closeSync(sandbox.fd)
}
