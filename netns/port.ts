/** A sandbox as the kernel has it: a namespace, and a veth pair between it and an isolated port of the bridge. */
import { closeSync, writeFileSync } from 'node:fs'
import { addressBytes, addressText, macBytes, macText } from './addresses.ts'
import { createNamespace, NetlinkSocket, NetnsError, rtnetlink } from './kernel/index.ts'
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
}

export interface PortRequest {
  /** In the network's namespace. */
  socket: NetlinkSocket
  link: { name: string; index: number }
  address: number
  gateway: string
  bridge: number
  group: number
  mtu: number
}

const innerIndex = 1000

/** @throws NetnsError `KERNEL`; then nothing is left */
export function makePort({ socket, link, address, gateway, bridge, group, mtu }: PortRequest): Port {
  const [own, mac, gatewayBytes] = [addressBytes(address), macBytes(address), addressBytes(gateway)]
  const { fd, value: inner } = createNamespace(() => {
    // What a process without capabilities may do here: ping, and listen on any port.
    writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 2147483647')
    writeFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', '0')
    return new NetlinkSocket()
  })
  const port = { made: { address: addressText(address), mac: macText(mac), fd }, link }
  try {
    using namespace = inner
    const peer = { index: innerIndex, name: sandboxLinkName, mac, namespace: fd }
    socket.apply([
      rtnetlink.addVeth({ ...link, mtu, master: bridge, group, peer }),
      rtnetlink.isolatePort(link.index),
      ...rtnetlink.bringUp(link.index, link.name),
      rtnetlink.addRoute({ to: { address: own, length: 32 }, index: bridge }),
      rtnetlink.addNeighbour(bridge, own, mac),
    ])
    namespace.apply([
      rtnetlink.bringLoopbackUp(),
      ...rtnetlink.bringUp(innerIndex, sandboxLinkName),
      rtnetlink.addAddress(innerIndex, own),
      rtnetlink.addRoute({ to: { address: gatewayBytes, length: 32 }, index: innerIndex }),
      rtnetlink.addRoute({ index: innerIndex, via: gatewayBytes }),
      rtnetlink.addNeighbour(innerIndex, gatewayBytes, macBytes(gateway)),
    ])
    return port
  } catch (error) {
    removePort(socket, bridge, port)
    throw error
  }
}

/** What leads to the sandbox goes at once, so that its peers are refused; the link goes with the namespace. */
export function removePort(socket: NetlinkSocket, bridge: number, { made }: Port): void {
  const own = addressBytes(made.address)
  closeSync(made.fd)
  for (const request of [
    rtnetlink.removeRoute({ to: { address: own, length: 32 }, index: bridge }),
    rtnetlink.removeNeighbour(bridge, own),
  ]) {
    try {
      socket.apply([request])
    } catch (error) {
      // It had not got so far.
      if (!(error instanceof NetnsError && (error.errno === 'ESRCH' || error.errno === 'ENOENT'))) throw error
    }
  }
}
