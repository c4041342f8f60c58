/**
 * A network in the kernel: its sandboxes, made and removed, and which of them may reach which. Lives in the worker,
 * since making and removing links waits.
 */
import { addressNumber, parseSubnet, type Subnet } from '../addressing/addresses.ts'
import { parseSubnet6, type Subnet6 } from '../addressing/addresses6.ts'
import { AddressLeases } from '../addressing/leases.ts'
import { type HostRoutes, readHostRoutes, routeText } from '../addressing/read-host.ts'
import { laterConflicts } from '../addressing/subnet-conflicts.ts'
import { faultPoint } from '../fault-points.ts'
import type { Grant } from '../firewall/network-ruleset.ts'
import { NetnsError } from '../kernel/index.ts'
import { linkExists, linksReady } from '../topology/link-state.ts'
import { NamespaceSettings } from '../topology/namespace-settings.ts'
import {
  adoptPort,
  closeNamespaces,
  makePort,
  mostLinksAtOnce,
  removePortLinks,
  removePorts,
  type SandboxFacts,
  type SandboxPort,
  unroutePorts,
} from '../topology/sandbox-port.ts'
import { removeNetwork } from './make-network.ts'
import type { NetworkFacts, NetworkParts } from './network-parts.ts'
import { giveUpNetwork } from './open-network.ts'
import type { NetworkProblem } from './problems.ts'
import { takeBack } from './undo-half-made.ts'
import { watchRoutes } from './watch-routes.ts'

/**
 * The number of ports from which on removing their links together pays: a few go with their namespaces, for nothing.
 */
const manyPorts = 8

export class KernelNetwork {
  readonly facts: NetworkFacts
  readonly #parts: NetworkParts
  readonly #subnet: Subnet
  readonly #subnet6: Subnet6 | undefined
  readonly #leases: AddressLeases
  /** By IPv4 address. */
  readonly #ports = new Map<string, SandboxPort>()
  readonly #settings = new NamespaceSettings()
  readonly #stopWatching: () => void
  #nextIndex: number
  #closed = false

  constructor(parts: NetworkParts) {
    const { facts } = parts
    this.facts = facts
    this.#parts = parts
    this.#subnet = parseSubnet(facts.subnet)
    this.#subnet6 = facts.subnet6 === undefined ? undefined : parseSubnet6(facts.subnet6)
    this.#leases = new AddressLeases(this.#subnet, {
      quarantine: facts.quarantine,
      next: parts.claim.previous.nextAddress,
    })
    for (const address of parts.quarantined ?? []) this.#leases.quarantine(address)
    this.#nextIndex = parts.firstPort
    this.#stopWatching = watchRoutes((routes) => {
      this.#refuseHost(routes)
      this.#checkRoutes(routes)
    })
    // The host may have got an address since its rules were written.
    this.#refuseHost(readHostRoutes(parts.host))
  }

  /** Has the network's own rules refuse what the host delivers to itself now. */
  #refuseHost({ own, own6 }: HostRoutes): void {
    // The guard tells of a failure, as of all that becomes of the rules.
    this.#parts.firewall.changeHost({ own, own6 }).catch(() => {})
  }

  #checkRoutes(routes: HostRoutes): void {
    const problems = laterConflicts(this.#subnet, this.#subnet6, routes).map((route): NetworkProblem => {
      const message = `the subnet ${this.facts.subnet} meets ${routeText(route)}, which came up later: of the two, this host reaches one; make the network anew with another subnet`
      return { kind: 'subnet-conflict', message }
    })
    this.#parts.problems.set('routes', problems)
  }

  /**
   * Makes a namespace with a link to a bridge and an address; all of it or nothing.
   *
   * @param adopted - a namespace that somebody else made, to be used instead of a new one
   */
  async makeSandbox(adopted?: number): Promise<SandboxFacts> {
    const { socket, bridges, firewall } = this.#parts
    const lease = this.#leases.take()
    let port: SandboxPort
    try {
      port = bridges.addPort((bridge) => this.#makePort(lease, bridge, adopted))
    } catch (error) {
      this.#leases.release(lease)
      throw error
    }
    const { sandbox, link } = port
    const { address, address6, mac } = sandbox
    this.#ports.set(address, port)
    try {
      await linksReady(socket, link.index, port.bridge)
      await firewall.admit({ link: link.name, address, address6, mac, bridge: port.bridge })
      faultPoint('sandbox-admitted')
    } catch (error) {
      const steps = new AsyncDisposableStack()
      steps.defer(() => this.#removePorts([port]))
      throw await takeBack(steps, error)
    }
    return sandbox
  }

  /** Removes sandboxes: from the moment the firewall has answered nothing comes from them or goes to them. */
  async removeSandboxes(addresses: readonly string[]): Promise<void> {
    const ports = addresses.flatMap((address) => this.#ports.get(address) ?? [])
    if (ports.length === 0) return
    try {
      await this.#parts.firewall.expel(ports.map(({ sandbox }) => sandbox.address))
      faultPoint('sandbox-expelled')
    } catch (error) {
      // If the whole network has gone, there is nothing to be expelled from.
      if (!this.#closed) throw error
    } finally {
      await this.#removePorts(ports)
    }
  }

  #makePort(address: number, bridge: number, adopted: number | undefined): SandboxPort {
    // Neither a name nor an index is used again: its last bearer may still be dying in the kernel.
    const index = this.#nextIndex++
    const request = {
      socket: this.#parts.socket,
      settings: this.#settings,
      link: { name: `s${index}`, index },
      address,
      subnet: this.#subnet,
      subnet6: this.#subnet6,
      bridge,
      mtu: this.facts.mtu,
    }
    return adopted === undefined ? makePort(request) : adoptPort(request, adopted)
  }

  /** Removes ports, and ends their leases; ports that another call has removed meanwhile are left to it. */
  async #removePorts(candidates: readonly SandboxPort[]): Promise<void> {
    const ports = candidates.filter((port) => this.#ports.get(port.sandbox.address) === port)
    for (const { sandbox } of ports) this.#ports.delete(sandbox.address)
    if (ports.length === 0 || this.#closed) return
    const { socket, bridges } = this.#parts
    try {
      unroutePorts(socket, ports)
      faultPoint('sandbox-unrouted')
      if (ports.length >= manyPorts) await removePortLinks(socket, ports, () => !this.#closed)
    } finally {
      // If the network has gone meanwhile, so have all links; an adopted namespace's descriptor is not ours to close.
      if (this.#closed) closeNamespaces(ports)
      else removePorts(socket, ports)
      faultPoint('sandbox-closed')
      for (const { sandbox, bridge } of ports) {
        bridges.removePort(bridge)
        this.#leases.release(addressNumber(sandbox.address))
      }
    }
  }

  /**
   * Resolves when an adopted sandbox is no more: removed, or its namespace ended by itself, which takes our link along.
   * Nothing of ours holds the namespace, so the link is polled.
   */
  async sandboxEnded(address: string, sleep: () => Promise<unknown>): Promise<void> {
    const port = this.#ports.get(address)
    while (port !== undefined && this.#ports.get(address) === port) {
      if (!linkExists(this.#parts.socket, port.link.index)) return this.removeSandboxes([address])
      await sleep()
    }
  }

  /** Grants each pair, both directions of it at the same moment. */
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

  revoke(grants: readonly Grant[]): Promise<void> {
    return this.#parts.firewall.revoke(grants)
  }

  #isLeased(address: string): boolean {
    return (
      this.#ports.has(address) ||
      [...this.#ports.values()].some(({ sandbox }) => sandbox.address6 === address)
    )
  }

  /**
   * Removes the network from the kernel, with all its sandboxes; every step is taken, whatever became of the others.
   */
  async remove(): Promise<void> {
    const ports = [...this.#ports.values()]
    const steps = new AsyncDisposableStack()
    steps.defer(() => removeNetwork(this.#parts))
    this.#close(steps)
    this.#ports.clear()
    if (ports.length > mostLinksAtOnce) {
      steps.defer(() => removePortLinks(this.#parts.socket, ports, () => true))
    }
    steps.defer(() => {
      closeNamespaces(ports)
      faultPoint('sandboxes-closed')
    })
    await steps.disposeAsync()
  }

  /** Leaves the network to whoever opens it, without sandboxes. */
  async giveUp(): Promise<void> {
    await this.removeSandboxes([...this.#ports.keys()])
    const steps = new AsyncDisposableStack()
    steps.defer(() => giveUpNetwork(this.#parts, this.#leases.next))
    this.#close(steps)
    await steps.disposeAsync()
  }

  #close(steps: AsyncDisposableStack): void {
    this.#closed = true
    this.#stopWatching()
    steps.use(this.#settings)
  }
}
