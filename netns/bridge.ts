/**
 * A network as the kernel has it: a namespace with a bridge, its gateway address, its firewall, and one veth pair to
 * the host, the uplink. Lives in the worker, since making and removing links waits.
 */
import { closeSync, existsSync, writeFileSync } from 'node:fs'
import { AddressLeases, addressBytes, addressText, gatewayOf, macBytes, type Subnet } from './addresses.ts'
import { applyRuleset, Firewall, networkRuleset } from './firewall.ts'
import { holdHost, lookAtHost, releaseHost } from './host.ts'
import { bindMount, createNamespace, NetlinkSocket, NetnsError, rtnetlink } from './kernel/index.ts'
import { bridgeName } from './names.ts'
import { claimName, dropName, namespacePath } from './owner.ts'
import { adoptPort, type MadeSandbox, makePort, type Port, removePort } from './port.ts'
import { linkExists, linksReady } from './ready.ts'
import { takeOver } from './recover.ts'
import { takeBack } from './undo.ts'
import { claimSubnet, type HostRouteState, makeUplink, type SubnetWish, subnetFor } from './uplink.ts'

export interface NetworkRequest extends SubnetWish {
  name: string
  instance: string
  runDirectory: string
  uplinkRange?: string
}

export interface MadeNetwork {
  subnet: string
  gateway: string
  /** A path under which the namespace has a name. */
  path: string
  /** A descriptor of the namespace, valid in all threads of the process. */
  namespace: number
  hostRoute: HostRouteState
}

/** Above those that the kernel gives by itself. */
const bridgeIndex = 8
/** All links of a network but its bridge, so that one message removes them. */
const linkGroup = 1
/** What a bridge can have (BR_MAX_PORTS). */
const mostPorts = 1023

export class Bridge {
  readonly made: MadeNetwork
  readonly #leases: AddressLeases
  readonly #subnet: Subnet
  readonly #mtu: number
  readonly #socket: NetlinkSocket
  readonly #firewall: Firewall
  readonly #steps: AsyncDisposableStack
  readonly #ports = new Map<number, Port>()
  #count = 0
  #removed = false

  private constructor(parts: {
    made: MadeNetwork
    subnet: Subnet
    mtu: number
    socket: NetlinkSocket
    firewall: Firewall
    steps: AsyncDisposableStack
  }) {
    this.made = parts.made
    this.#leases = new AddressLeases(parts.subnet)
    this.#subnet = parts.subnet
    this.#mtu = parts.mtu
    this.#socket = parts.socket
    this.#firewall = parts.firewall
    this.#steps = parts.steps
  }

  /** All of it, or nothing: whatever was made before a failure is taken back. */
  static async create(request: NetworkRequest): Promise<Bridge> {
    const steps = new AsyncDisposableStack()
    try {
      return await Bridge.#create(request, steps)
    } catch (error) {
      throw await takeBack(steps, error)
    }
  }

  static async #create(request: NetworkRequest, steps: AsyncDisposableStack): Promise<Bridge> {
    const { name, instance, runDirectory } = request
    await takeOver(runDirectory, name, instance)
    claimName(runDirectory, name, instance)
    steps.defer(() => dropName(runDirectory, name))
    const range = await holdHost(instance, request.uplinkRange)
    steps.defer(() => releaseHost(instance))

    const host = steps.use(new NetlinkSocket())
    const { routes, mtu } = lookAtHost(host)
    // Asked here only so that what cannot be is refused before anything is made.
    subnetFor(request, routes)
    const path = namespacePath(runDirectory, name)
    const { fd: namespace, value: socket } = makeNamespace(path)
    steps.defer(() => closeSync(namespace))
    steps.use(socket)
    const uplink = makeUplink({
      instance,
      name,
      range,
      routes,
      mtu,
      host,
      socket,
      namespace,
      group: linkGroup,
      steps,
    })
    const { subnet, hostRoute } = claimSubnet(request, host, uplink)
    socket.apply(bridgeRequests(subnet, mtu))

    const gateway = addressText(gatewayOf(subnet))
    await linksReady(socket, uplink.inner)
    await applyRuleset(networkRuleset({ subnet: subnet.text, gateway }), namespace)
    const firewall = steps.use(new Firewall(namespace))
    const made = { subnet: subnet.text, gateway, path, namespace, hostRoute }
    return new Bridge({ made, subnet, mtu, socket, firewall, steps: steps.move() })
  }

  /**
   * A namespace with a link to the bridge and an address; all of it or nothing.
   *
   * @param adopted - a namespace that somebody else made, to be used instead of a new one
   */
  async makeSandbox(adopted?: number): Promise<MadeSandbox> {
    if (this.#ports.size >= mostPorts) {
      throw new NetnsError('ADDRESSES_EXHAUSTED', `a network has at most ${mostPorts} sandboxes`)
    }
    const count = this.#count++
    const address = this.#leases.take()
    let port: Port
    try {
      const request = {
        socket: this.#socket,
        // Neither a name nor an index is used again: its last bearer may still be dying in the kernel.
        link: { name: `s${count}`, index: 16 + count },
        address,
        gateway: this.made.gateway,
        subnet: this.#subnet,
        bridge: bridgeIndex,
        group: linkGroup,
        mtu: this.#mtu,
      }
      port = adopted === undefined ? makePort(request) : adoptPort(request, adopted)
    } catch (error) {
      this.#leases.release(address)
      throw error
    }
    this.#ports.set(address, port)
    try {
      await linksReady(this.#socket, port.link.index, bridgeIndex)
      await this.#firewall.admit(port.link.name, port.made.address, port.made.mac)
    } catch (error) {
      const steps = new AsyncDisposableStack()
      steps.defer(() => this.#forget(address, port))
      throw await takeBack(steps, error)
    }
    return port.made
  }

  /**
   * Resolves when an adopted sandbox is no more: removed, or its namespace ended by itself, which takes our link along.
   * Nothing of ours holds the namespace; the link is looked at again and again.
   */
  async sandboxEnded(address: string, rest: () => Promise<unknown>): Promise<void> {
    const key = addressBytes(address).readUInt32BE(0)
    const port = this.#ports.get(key)
    while (port !== undefined && this.#ports.get(key) === port) {
      if (!linkExists(this.#socket, port.link.index)) return this.removeSandbox(address)
      await rest()
    }
  }

  async removeSandbox(address: string): Promise<void> {
    const key = addressBytes(address).readUInt32BE(0)
    const port = this.#ports.get(key)
    if (port === undefined) return
    try {
      await this.#firewall.expel(port.link.name, port.made.address, port.made.mac)
    } catch (error) {
      // With the whole network gone, there is nothing to be expelled from.
      if (!this.#removed) throw error
    } finally {
      this.#forget(key, port)
    }
  }

  /** The kernel removes the link by itself when nothing holds the namespace any more; nobody waits for it. */
  #forget(address: number, port: Port): void {
    if (!this.#ports.delete(address)) return
    try {
      removePort(this.#socket, bridgeIndex, port)
    } finally {
      this.#leases.release(address)
    }
  }

  async remove(): Promise<void> {
    this.#removed = true
    const ports = [...this.#ports.values()]
    this.#ports.clear()
    for (const { made, adopted } of ports) if (!adopted) closeSync(made.fd)
    await this.#steps.disposeAsync()
  }
}

function makeNamespace(path: string): { fd: number; value: NetlinkSocket } {
  return createNamespace(() => {
    // A new namespace takes these from the host's. The kernel ORs "all" with the link, so both are set.
    const conf = '/proc/sys/net/ipv4/conf'
    for (const scope of ['all', 'default']) {
      writeFileSync(`${conf}/${scope}/rp_filter`, '0')
      writeFileSync(`${conf}/${scope}/send_redirects`, '0')
      writeFileSync(`${conf}/${scope}/accept_redirects`, '0')
    }
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1')
    // Where Docker has loaded br_netfilter, frames between bridge ports pass the IP rules a first time, as bridged.
    const bridged = '/proc/sys/net/bridge/bridge-nf-call-iptables'
    if (existsSync(bridged)) writeFileSync(bridged, '0')
    writeFileSync(path, '')
    bindMount('/proc/thread-self/ns/net', path)
    return new NetlinkSocket()
  })
}

function bridgeRequests(subnet: Subnet, mtu: number) {
  const gateway = addressBytes(gatewayOf(subnet))
  return [
    rtnetlink.bringLoopbackUp(),
    rtnetlink.addBridge({ index: bridgeIndex, name: bridgeName, mac: macBytes(gatewayOf(subnet)), mtu }),
    ...rtnetlink.bringUp(bridgeIndex, bridgeName),
    rtnetlink.addAddress(bridgeIndex, gateway),
  ]
}
