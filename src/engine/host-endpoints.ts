import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server } from 'node:net'
import type { ServiceNetwork } from '../network/index.ts'

/** How long the tunnel tries to reach the service for one connection. */
const dialTimeout = 5_000

/** Addresses at which this host's processes reach services: their own where there is a route, else a tunnel. */
export interface HostEndpoints {
  /** `address:port` for a service's port. */
  reach(network: ServiceNetwork, address: string, port: number): Promise<string>
  /** Closes the tunnels to an address that nobody answers at any more. */
  forget(network: string, address: string): void
  close(): void
}

export function createHostEndpoints(): HostEndpoints {
  const tunnels = new Map<string, Promise<Server>>()

  const open = async (network: ServiceNetwork, address: string, port: number): Promise<Server> => {
    const server = createServer({ pauseOnConnect: true }, async (client) => {
      client.on('error', () => client.destroy())
      try {
        const service = await network.network.connectTcp(address, port, { timeout: dialTimeout })
        service.on('error', () => client.destroy())
        client.on('close', () => service.destroy())
        service.on('close', () => client.destroy())
        client.pipe(service).pipe(client)
      } catch {
        // As if nobody listened there: the client's own error says so.
        client.resetAndDestroy()
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }

  const drop = (key: string, tunnel: Promise<Server>) => {
    tunnels.delete(key)
    void tunnel.then(
      (server) => server.close(),
      () => undefined,
    )
  }

  return {
    async reach(network, address, port) {
      if (network.network.hostRoute.present) return `${address}:${port}`
      const key = `${network.name}/${address}/${port}`
      let tunnel = tunnels.get(key)
      if (tunnel === undefined) {
        tunnel = open(network, address, port)
        tunnels.set(key, tunnel)
      }
      const bound = (await tunnel).address() as AddressInfo
      return `127.0.0.1:${bound.port}`
    },
    forget(network, address) {
      for (const [key, tunnel] of tunnels) if (key.startsWith(`${network}/${address}/`)) drop(key, tunnel)
    },
    close() {
      for (const [key, tunnel] of tunnels) drop(key, tunnel)
    },
  }
}
