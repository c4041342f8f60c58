/** What the worker does on request; the table that both sides are compiled against. */
import { setTimeout as rest } from 'node:timers/promises'
import type { Grant } from '../firewall/network-ruleset.ts'
import { NetnsError } from '../kernel/index.ts'
import type { MadeSandbox } from '../topology/sandbox-port.ts'
import { type HostHold, holdHost } from './hold-host.ts'
import type { KernelNetwork, MadeNetwork, NetworkEvent } from './kernel-network.ts'
import {
  createKernelNetwork,
  type NetworkRequest,
  type OpenRequest,
  openKernelNetwork,
} from './make-network.ts'

/** How often it is looked whether an adopted namespace has ended, in milliseconds. */
const adoptionInterval = 100

/** @param tell - passes on what a network tells, by its number */
export function createMethods(tell: (network: number, event: NetworkEvent) => void) {
  /** Networks by the number that the main thread gave them. */
  const networks = new Map<number, KernelNetwork>()
  /** The host's part, held without a network, by instance. */
  const holds = new Map<string, HostHold[]>()

  const networkOf = (number: number): KernelNetwork => {
    const network = networks.get(number)
    if (network === undefined) throw new NetnsError('NETWORK_GONE', 'the network was destroyed')
    return network
  }

  return {
    async createNetwork({ network, ...request }: NetworkRequest & { network: number }): Promise<MadeNetwork> {
      const made = await createKernelNetwork(request, (event) => tell(network, event))
      networks.set(network, made)
      return made.made
    },
    async openNetwork({ network, ...request }: OpenRequest & { network: number }): Promise<MadeNetwork> {
      const opened = await openKernelNetwork(request, (event) => tell(network, event))
      networks.set(network, opened)
      return opened.made
    },
    async destroyNetwork({ network }: { network: number }): Promise<void> {
      const made = networks.get(network)
      networks.delete(network)
      await made?.remove()
    },
    async giveUpNetwork({ network }: { network: number }): Promise<void> {
      const made = networks.get(network)
      networks.delete(network)
      await made?.giveUp()
    },
    createSandbox({ network }: { network: number }): Promise<MadeSandbox> {
      return networkOf(network).makeSandbox()
    },
    /** @param namespace - a descriptor, which the caller may close afterwards */
    adoptSandbox({ network, namespace }: { network: number; namespace: number }): Promise<MadeSandbox> {
      return networkOf(network).makeSandbox(namespace)
    },
    async adoptionEnded({ network, address }: { network: number; address: string }): Promise<void> {
      await networks.get(network)?.sandboxEnded(address, () => rest(adoptionInterval))
    },
    async destroySandboxes({ network, addresses }: { network: number; addresses: string[] }): Promise<void> {
      await networks.get(network)?.removeSandboxes(addresses)
    },
    grant({ network, grants }: { network: number; grants: readonly Grant[] }): Promise<void> {
      return networkOf(network).grant(grants)
    },
    async revoke({ network, grants }: { network: number; grants: readonly Grant[] }): Promise<void> {
      await networks.get(network)?.revoke(grants)
    },
    async holdHost({ instance, uplinkRange }: { instance: string; uplinkRange?: string }): Promise<void> {
      const hold = await holdHost(instance, uplinkRange === undefined ? {} : { uplinkRange })
      holds.set(instance, [...(holds.get(instance) ?? []), hold])
    },
    async releaseHost({ instance }: { instance: string }): Promise<void> {
      await holds.get(instance)?.pop()?.release()
    },
  }
}

export type Methods = ReturnType<typeof createMethods>
export type MethodName = keyof Methods

export interface Call {
  id: number
  method: MethodName
  params: unknown
}

/** An error without its class, which does not survive the way between threads. */
export interface RemoteError {
  code: string
  message: string
  errno: string | undefined
  stack: string | undefined
}

export type Answer = { id: number; value: unknown } | { id: number; error: RemoteError }
/** Not an answer to anything. */
export interface Told {
  network: number
  event: NetworkEvent
}
