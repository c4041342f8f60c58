/** What the worker does on request; the table that both sides are compiled against. */
import { setTimeout as rest } from 'node:timers/promises'
import { Bridge, type MadeNetwork, type NetworkRequest } from './bridge.ts'
import { holdHost, releaseHost } from './host.ts'
import { NetnsError } from './kernel/index.ts'
import type { MadeSandbox } from './port.ts'

/** How often it is looked whether an adopted namespace has ended, in milliseconds. */
const adoptionInterval = 100

/** Networks by the number that the main thread gave them. */
const bridges = new Map<number, Bridge>()

function bridgeOf(network: number): Bridge {
  const bridge = bridges.get(network)
  if (bridge === undefined) throw new NetnsError('NETWORK_GONE', 'the network was destroyed')
  return bridge
}

export const methods = {
  async createNetwork({ network, ...request }: NetworkRequest & { network: number }): Promise<MadeNetwork> {
    const bridge = await Bridge.create(request)
    bridges.set(network, bridge)
    return bridge.made
  },
  async destroyNetwork({ network }: { network: number }): Promise<void> {
    const bridge = bridges.get(network)
    bridges.delete(network)
    await bridge?.remove()
  },
  createSandbox({ network }: { network: number }): Promise<MadeSandbox> {
    return bridgeOf(network).makeSandbox()
  },
  /** @param namespace - a descriptor, which the caller may close afterwards */
  adoptSandbox({ network, namespace }: { network: number; namespace: number }): Promise<MadeSandbox> {
    return bridgeOf(network).makeSandbox(namespace)
  },
  async adoptionEnded({ network, address }: { network: number; address: string }): Promise<void> {
    await bridges.get(network)?.sandboxEnded(address, () => rest(adoptionInterval))
  },
  async destroySandbox({ network, address }: { network: number; address: string }): Promise<void> {
    await bridges.get(network)?.removeSandbox(address)
  },
  async holdHost({ instance, uplinkRange }: { instance: string; uplinkRange?: string }): Promise<void> {
    await holdHost(instance, uplinkRange)
  },
  releaseHost({ instance }: { instance: string }): Promise<void> {
    return releaseHost(instance)
  },
}

export type Methods = typeof methods
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
