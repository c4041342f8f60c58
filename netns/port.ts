/** A sandbox as the kernel has it: a namespace, and a veth pair between it and an isolated port of the bridge. */
import { closeSync, writeFileSync } from 'node:fs'
import { addressBytes, addressText, macBytes, macText, type Subnet } from './addresses.ts'
import { createNamespace, inNamespace, NetlinkSocket, NetnsError, rtnetlink } from './kernel/index.ts'
import { sandboxLinkName } from './names.ts'

export interface MadeSandbox {
  address: string
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
}

export interface PortRequest {
  /** In the network's namespace. */
  socket: NetlinkSocket
  link: { name: string; index: number }
  address: number
  gateway: string
  subnet: Subnet
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
  adopted: { hasDefaultRoute: boolean } | undefined
}

/** @throws NetnsError `KERNEL`; then nothing is left */
export function makePort(request: PortRequest): Port {
  const { fd, value: socket } = createNamespace(() => {
    // What a process without capabilities may do here: ping, and listen on any port.
    writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 2147483647')
    writeFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', '0')
    return new NetlinkSocket()
  })
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
  const hasDefaultRoute = rtnetlink.listRoutes(socket).some(({ length }) => length === 0)
  return attach(request, { socket, fd, index, name: `eth${number}`, adopted: { hasDefaultRoute } })
}

function attach(request: PortRequest, inner: Inner): Port {
  const { socket, link, address, gateway, subnet, bridge, group, mtu } = request
  const [own, mac, gatewayBytes] = [addressBytes(address), macBytes(address), addressBytes(gateway)]
  const made = { address: addressText(address), mac: macText(mac), fd: inner.fd }
  const port = { made, link, adopted: inner.adopted !== undefined }
  const to = inner.adopted?.hasDefaultRoute
    ? { address: addressBytes(subnet.first), length: subnet.length }
    : undefined
  try {
    const peer = { index: inner.index, name: inner.name, mac, namespace: inner.fd }
    socket.apply([
      rtnetlink.addVeth({ ...link, mtu, master: bridge, group, peer }),
      rtnetlink.isolatePort(link.index),
      ...rtnetlink.bringUp(link.index, link.name),
      rtnetlink.addRoute({ to: { address: own, length: 32 }, index: bridge }),
      rtnetlink.addNeighbour(bridge, own, mac),
    ])
    inner.socket.apply([
      rtnetlink.bringLoopbackUp(),
      ...rtnetlink.bringUp(inner.index, inner.name),
      rtnetlink.addAddress(inner.index, own),
      rtnetlink.addRoute({ to: { address: gatewayBytes, length: 32 }, index: inner.index }),
      rtnetlink.addRoute({ ...(to === undefined ? {} : { to }), index: inner.index, via: gatewayBytes }),
      rtnetlink.addNeighbour(inner.index, gatewayBytes, macBytes(gateway)),
    ])
    return port
  } catch (error) {
    removePort(socket, bridge, port)
    throw error
  }
}

/**
 * What leads to the sandbox goes at once, so that its peers are refused. The link goes with the namespace, which is
 * closed here; an adopted one stays, so its link is removed, and that takes the kernel 16 ms.
 */
export function removePort(socket: NetlinkSocket, bridge: number, { made, link, adopted }: Port): void {
  const own = addressBytes(made.address)
  if (!adopted) closeSync(made.fd)
  for (const request of [
    rtnetlink.removeRoute({ to: { address: own, length: 32 }, index: bridge }),
    rtnetlink.removeNeighbour(bridge, own),
    ...(adopted ? [rtnetlink.removeLink(link.index, link.name)] : []),
  ]) {
    try {
      socket.apply([request])
    } catch (error) {
      // It had not got so far, or its namespace has taken it along.
      if (!(error instanceof NetnsError && ['ESRCH', 'ENOENT', 'ENODEV'].includes(error.errno ?? '')))
        throw error
    }
  }
}
