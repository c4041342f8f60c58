/**
 * A network as the kernel has it: a namespace with bridges, its gateway address, its firewall, and one veth pair to
 * the host, the uplink. Lives in the worker, since making and removing links waits.
 */
import { closeSync } from 'node:fs'
import {
  AddressLeases,
  addressBytes,
  addressText,
  gatewayOf,
  parseSubnet,
  routeText,
  type Subnet,
} from '../addressing/addresses.ts'
import { parseSubnet6, type Subnet6 } from '../addressing/addresses6.ts'
import { faultPoint } from '../fault-points.ts'
import type { Firewall } from '../firewall/firewall.ts'
import type { Grant } from '../firewall/network-ruleset.ts'
import { type NetlinkSocket, NetnsError, rtnetlink } from '../kernel/index.ts'
import type { Claim, NetworkDescription } from '../ownership/claim.ts'
import type { Bridges } from '../topology/bridges.ts'
import { linkExists, linksReady } from '../topology/link-state.ts'
import { NamespaceSettings } from '../topology/namespace-settings.ts'
import {
  adoptPort,
  leaveUnrouted,
  type MadeSandbox,
  makePort,
  type Port,
  removePorts,
} from '../topology/sandbox-port.ts'
import { conflictsOf, type HostRouteState, removeLinks } from '../topology/uplink.ts'
import type { HostHold, HostView } from './hold-host.ts'
import { watchRoutes } from './route-watch.ts'
import { takeBack } from './take-back.ts'

export interface MadeNetwork extends NetworkDescription {
  /** A path under which the namespace has a name. */
  path: string
  /** A descriptor of the namespace, valid in all threads of the process. */
  namespace: number
  hostRoute: HostRouteState
}

/** Something that is wrong with a network, though it works on as well as it can. */
export interface NetworkProblem {
  kind: 'subnet-conflict' | 'firewall'
  message: string
}

/** What a network tells while it lives. */
export type NetworkEvent =
  | { type: 'problems'; problems: NetworkProblem[] }
  /** Somebody changed the rules; they were put back. */
  | { type: 'firewall-restored'; where: 'network' | 'host'; by: string }

/** All links of a network but its bridges, so that one message removes them. */
export const linkGroup = 1
/** Links that are being removed together. */
const doomedGroup = 2
/** From here on removing links together is worth it: one alone goes with its namespace, for nothing. */
const few = 8
/** How many at once: the kernel lets nobody else change links meanwhile, for 0.4 ms each. */
const mostAtOnce = 100

export interface KernelNetworkParts {
  made: MadeNetwork
  claim: Claim
  hold: HostHold
  host: NetlinkSocket
  socket: NetlinkSocket
  bridges: Bridges
  firewall: Firewall
  problems: Problems
  firstPort: number
  /** Addresses that somebody else's sandboxes had a moment ago. */
  resting?: readonly number[]
}

/** What is wrong at the moment, by what it is about; whoever listens is told when that changes. */
export class Problems {
  readonly #tell: (event: NetworkEvent) => void
  readonly #found = new Map<string, NetworkProblem[]>()

  constructor(tell: (event: NetworkEvent) => void) {
    this.#tell = tell
  }

  set(about: string, problems: NetworkProblem[]): void {
    if (JSON.stringify(this.#found.get(about) ?? []) === JSON.stringify(problems)) return
    this.#found.set(about, problems)
    this.#tell({ type: 'problems', problems: [...this.#found.values()].flat() })
  }

  /** For a firewall's `onRestored`. */
  restored(where: 'network' | 'host') {
    return (by: string, failure?: Error): void => {
      if (failure === undefined) this.#tell({ type: 'firewall-restored', where, by })
      const message = `the rules of the ${where} were changed by ${by} and could not be put back: ${failure?.message}`
      this.set(where, failure === undefined ? [] : [{ kind: 'firewall', message }])
    }
  }
}

export class KernelNetwork {
  readonly made: MadeNetwork
  readonly #parts: KernelNetworkParts
  readonly #subnet: Subnet
  readonly #subnet6: Subnet6 | undefined
  readonly #leases: AddressLeases
  readonly #ports = new Map<string, Port>()
  readonly #settings = new NamespaceSettings()
  readonly #stopWatching: () => void
  #count: number
  #closed = false

  constructor(parts: KernelNetworkParts) {
    const { made } = parts
    this.made = made
    this.#parts = parts
    this.#subnet = parseSubnet(made.subnet)
    this.#subnet6 = made.subnet6 === undefined ? undefined : parseSubnet6(made.subnet6)
    this.#leases = new AddressLeases(this.#subnet, {
      quarantine: made.quarantine,
      next: parts.claim.found.nextAddress,
    })
    for (const address of parts.resting ?? []) this.#leases.rest(address)
    this.#count = parts.firstPort
    this.#stopWatching = watchRoutes((view) => this.#look(view))
  }

  #look(view: HostView): void {
    const problems = conflictsOf(this.#subnet, this.#subnet6, view).map((route): NetworkProblem => {
      const message = `the subnet ${this.made.subnet} meets ${routeText(route)}, which came up later: of the two, this host reaches one; make the network anew with another subnet`
      return { kind: 'subnet-conflict', message }
    })
    this.#parts.problems.set('routes', problems)
  }

  /**
   * A namespace with a link to a bridge and an address; all of it or nothing.
   *
   * @param adopted - a namespace that somebody else made, to be used instead of a new one
   */
  async makeSandbox(adopted?: number): Promise<MadeSandbox> {
    const { socket, bridges, firewall } = this.#parts
    const address = this.#leases.take()
    let port: Port
    try {
      port = bridges.place((bridge) => this.#makePort(address, bridge, adopted))
    } catch (error) {
      this.#leases.release(address)
      throw error
    }
    const { made, link } = port
    this.#ports.set(made.address, port)
    try {
      await linksReady(socket, link.index, port.bridge)
      const { address, address6, mac } = made
      await firewall.admit({ link: link.name, address, address6, mac, bridge: port.bridge })
      faultPoint('sandbox-admitted')
    } catch (error) {
      const steps = new AsyncDisposableStack()
      steps.defer(() => this.#forget([port]))
      throw await takeBack(steps, error)
    }
    return made
  }

  #makePort(address: number, bridge: number, adopted: number | undefined): Port {
    // Neither a name nor an index is used again: its last bearer may still be dying in the kernel.
    const index = this.#count++
    const request = {
      socket: this.#parts.socket,
      settings: this.#settings,
      link: { name: `s${index}`, index },
      address,
      subnet: this.#subnet,
      subnet6: this.#subnet6,
      bridge,
      group: linkGroup,
      mtu: this.made.mtu,
    }
    return adopted === undefined ? makePort(request) : adoptPort(request, adopted)
  }

  /**
   * Resolves when an adopted sandbox is no more: removed, or its namespace ended by itself, which takes our link along.
   * Nothing of ours holds the namespace; the link is looked at again and again.
   */
  async sandboxEnded(address: string, rest: () => Promise<unknown>): Promise<void> {
    const port = this.#ports.get(address)
    while (port !== undefined && this.#ports.get(address) === port) {
      if (!linkExists(this.#parts.socket, port.link.index)) return this.removeSandboxes([address])
      await rest()
    }
  }

  /** From the moment the firewall has answered nothing comes from them or goes to them. */
  async removeSandboxes(addresses: readonly string[]): Promise<void> {
    const ports = addresses.flatMap((address) => this.#ports.get(address) ?? [])
    if (ports.length === 0) return
    try {
      await this.#parts.firewall.expel(ports.map(({ made }) => made.address))
      faultPoint('sandbox-expelled')
    } catch (error) {
      // With the whole network gone, there is nothing to be expelled from.
      if (!this.#closed) throw error
    } finally {
      await this.#forget(ports)
    }
  }

  /** What somebody else has forgotten meanwhile is his. */
  async #forget(given: readonly Port[]): Promise<void> {
    const ports = given.filter((port) => this.#ports.get(port.made.address) === port)
    for (const { made } of ports) this.#ports.delete(made.address)
    if (ports.length === 0 || this.#closed) return
    const { socket, bridges } = this.#parts
    try {
      leaveUnrouted(socket, ports)
      faultPoint('sandbox-unrouted')
      if (ports.length >= few) await this.#removeTogether(ports)
    } finally {
      removePorts(socket, this.#closed ? ports.map((port) => ({ ...port, adopted: false })) : ports)
      faultPoint('sandbox-closed')
      for (const { made, bridge } of ports) {
        bridges.leave(bridge)
        this.#leases.release(addressBytes(made.address).readUInt32BE(0))
      }
    }
  }

  /** The kernel reaps a namespace with a link in it much more slowly than one without. */
  async #removeTogether(ports: readonly Port[]): Promise<void> {
    // While it is not closed, or for good: that it is closed in between is somebody else's removal.
    const closed = this.#closed
    for (let at = 0; at < ports.length && this.#closed === closed; at += mostAtOnce) {
      const some = ports
        .slice(at, at + mostAtOnce)
        .map(({ link }) => rtnetlink.setLinkGroup(link.index, doomedGroup))
      this.#parts.socket.apply(some, ['ENODEV'])
      removeLinks(this.#parts.socket, doomedGroup)
      faultPoint('sandbox-links-removed')
      // Somebody may wait for a sandbox.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Both directions of each pair change at the same moment. */
  async grant(grants: readonly Grant[]): Promise<void> {
    const unknown = grants.flat().find((address) => !this.#isLeased(address))
    if (unknown !== undefined) {
      throw new NetnsError(
        'NETWORK_GONE',
        `no sandbox of this network has the address ${unknown}; nothing was granted`,
      )
    }
    await this.#parts.firewall.grant(grants)
  }

  #isLeased(address: string): boolean {
    return this.#ports.has(address) || [...this.#ports.values()].some(({ made }) => made.address6 === address)
  }

  revoke(grants: readonly Grant[]): Promise<void> {
    return this.#parts.firewall.revoke(grants)
  }

  /** Of this process; the kernel's things stay. */
  #close(steps: AsyncDisposableStack): void {
    const { host, socket, firewall, hold } = this.#parts
    this.#closed = true
    this.#stopWatching()
    steps.use(this.#settings)
    steps.defer(async () => {
      await hold.release()
      faultPoint('host-released')
    })
    steps.use(host)
    steps.defer(() => {
      closeSync(this.made.namespace)
      faultPoint('namespace-closed')
    })
    steps.use(socket)
    steps.use(firewall)
  }

  /** Removes it from the kernel, with all its sandboxes; every step is taken, whatever became of the others. */
  async remove(): Promise<void> {
    const ports = [...this.#ports.values()]
    const steps = new AsyncDisposableStack()
    steps.defer(() => this.#parts.claim.drop())
    this.#close(steps)
    this.#ports.clear()
    steps.defer(() => {
      removeLinks(this.#parts.socket, linkGroup)
      faultPoint('links-removed')
    })
    if (ports.length > mostAtOnce) steps.defer(() => this.#removeTogether(ports))
    steps.defer(() => {
      for (const { made, adopted } of ports) if (!adopted) closeSync(made.fd)
      faultPoint('sandboxes-closed')
    })
    await steps.disposeAsync()
  }

  /** Leaves it to whoever opens it, without sandboxes. */
  async giveUp(): Promise<void> {
    await this.removeSandboxes([...this.#ports.keys()])
    const steps = new AsyncDisposableStack()
    steps.defer(() => {
      this.#parts.claim.note({ givenUp: true, nextAddress: this.#leases.next })
      this.#parts.claim.close()
      faultPoint('network-given-up')
    })
    this.#close(steps)
    await steps.disposeAsync()
  }
}

export const gatewayText = (subnet: Subnet) => addressText(gatewayOf(subnet))
