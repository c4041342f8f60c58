import type { ScopedKey } from '../../lifecycle/index.ts'
import type { ServiceNetwork } from '../../network/index.ts'
import type { EngineContext } from '../context.ts'
import { type PublishedPorts, publishPorts } from './published-ports.ts'

interface HostEndpointRequest {
  network: ServiceNetwork
  /** The key of the service, unique in all networks. */
  key: ScopedKey
  port: number
  protocol: 'tcp' | 'udp'
  /** Returns its address at the moment. */
  address: () => string | undefined
}

/**
 * Endpoints at which processes of this host reach services: their own addresses where the host has a route, else
 * tunnels.
 */
export interface HostEndpoints {
  /**
   * Returns `address:port` for a port of a service. A tunnel stays, and follows the service, as long as its network
   * exists.
   */
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
      const current = address()
      if (network.network.hostRoute.present && current !== undefined) return `${current}:${port}`
      const name = `${key} ${port}/${protocol}`
      let tunnel = tunnels.get(name)
      // A tunnel of an earlier network of this name went with that network.
      if (tunnel?.network !== network) {
        tunnel = { network, opened: publishPorts(network, [{ host: 0, service: port, protocol }], address) }
        tunnel.opened.then(
          // Listed as long as the network exists, with which the tunnel goes.
          ({ ports }) => published.add(key, ports, { isOpen: () => networks.get(network.name) === network }),
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
      await Promise.allSettled(opened.map(async (tunnel) => (await tunnel).close()))
    },
  }
}
