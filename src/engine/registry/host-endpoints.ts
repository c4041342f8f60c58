import type { ScopedKey } from '../../lifecycle/index.ts'
import type { ServiceNetwork } from '../../network/index.ts'
import type { EngineContext } from '../context.ts'
import { type PublishedPorts, publishPorts } from './published-ports.ts'

interface HostEndpointRequest {
  network: ServiceNetwork
  /** The service's own, in all networks. */
  key: ScopedKey
  port: number
  protocol: 'tcp' | 'udp'
  /** Where it is now. */
  address: () => string | undefined
}

/** Addresses at which this host's processes reach services: their own where there is a route, else a tunnel. */
export interface HostEndpoints {
  /** `address:port` for a service's port. A tunnel stays, and follows the service, as long as its network is there. */
  reach(request: HostEndpointRequest): Promise<string>
  close(): Promise<void>
}

export function createHostEndpoints({
  networks,
  published,
}: Pick<EngineContext, 'networks' | 'published'>): HostEndpoints {
  const tunnels = new Map<string, { network: ServiceNetwork; opened: Promise<PublishedPorts> }>()
  return {
    async reach({ network, key, port, protocol, address }) {
      const now = address()
      if (network.network.hostRoute.present && now !== undefined) return `${now}:${port}`
      const name = `${key} ${port}/${protocol}`
      let tunnel = tunnels.get(name)
      // One of an earlier network of that name went with it.
      if (tunnel?.network !== network) {
        tunnel = { network, opened: publishPorts(network, [{ host: 0, service: port, protocol }], address) }
        tunnel.opened.then(
          // They go with their network.
          ({ ports }) => published.add(key, ports, () => networks.get(network.name) === network),
          () => tunnels.delete(name),
        )
        tunnels.set(name, tunnel)
      }
      const [bound] = (await tunnel.opened).ports
      return `${bound?.address}:${bound?.host}`
    },
    async close() {
      const opened = [...tunnels.values()].map((tunnel) => tunnel.opened)
      tunnels.clear()
      await Promise.allSettled(opened.map(async (one) => (await one).close()))
    },
  }
}
