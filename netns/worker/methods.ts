/** The calls that the worker answers; both threads are compiled against this table. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Grant } from '../firewall/network-ruleset.ts'
import { NetnsError } from '../kernel/index.ts'
import type { SandboxFacts } from '../topology/sandbox-port.ts'
import { type HostHold, holdHost } from './hold-host.ts'
import { KernelNetwork } from './kernel-network.ts'
import { makeNetwork, type NetworkRequest } from './make-network.ts'
import type { NetworkFacts, NetworkParts } from './network-parts.ts'
import { type OpenRequest, openNetwork } from './open-network.ts'
import { type NetworkEvent, Problems } from './problems.ts'

/** How often an adopted namespace is checked for its end, in milliseconds. */
const adoptionInterval = 100

/** @param tell - passes on an event of the network with this number */
export function createMethods(tell: (network: number, event: NetworkEvent) => void) {
  /** Networks by the number that the main thread gave them. */
  const networks = new Map<number, KernelNetwork>()
  /** Holds of the host without a network, by instance. */
  const holds = new Map<string, HostHold[]>()

  const networkOf = (number: number): KernelNetwork => {
    const network = networks.get(number)
    if (network === undefined) throw new NetnsError('NETWORK_GONE', 'the network was destroyed')
    return network
  }

  const hold = async (
    number: number,
    open: (problems: Problems) => Promise<NetworkParts>,
  ): Promise<NetworkFacts> => {
    const network = new KernelNetwork(await open(new Problems((event) => tell(number, event))))
    networks.set(number, network)
    return network.facts
  }

  return {
    createNetwork({ network, ...request }: NetworkRequest & { network: number }): Promise<NetworkFacts> {
      return hold(network, (problems) => makeNetwork(request, problems))
    },
    openNetwork({ network, ...request }: OpenRequest & { network: number }): Promise<NetworkFacts> {
      return hold(network, (problems) => openNetwork(request, problems))
    },
    async destroyNetwork({ network }: { network: number }): Promise<void> {
      const removed = networks.get(network)
      networks.delete(network)
      await removed?.remove()
    },
    async giveUpNetwork({ network }: { network: number }): Promise<void> {
      const givenUp = networks.get(network)
      networks.delete(network)
      await givenUp?.giveUp()
    },
    createSandbox({ network }: { network: number }): Promise<SandboxFacts> {
      return networkOf(network).makeSandbox()
    },
    /** @param namespace - a descriptor, which the caller may close afterwards */
    adoptSandbox({ network, namespace }: { network: number; namespace: number }): Promise<SandboxFacts> {
      return networkOf(network).makeSandbox(namespace)
    },
    async adoptionEnded({ network, address }: { network: number; address: string }): Promise<void> {
      await networks.get(network)?.sandboxEnded(address, () => sleep(adoptionInterval))
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

export interface WorkerCall {
  id: number
  method: MethodName
  params: unknown
}

/** An error without its class, which is lost on the way between threads. */
export interface RemoteError {
  code: string
  message: string
  errno: string | undefined
  stack: string | undefined
}

export type WorkerAnswer = { id: number; value: unknown } | { id: number; error: RemoteError }
/** An event of a network; it answers no call. */
export interface WorkerNews {
  network: number
  event: NetworkEvent
}
