import { MoorageError } from '../../errors/index.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { networkRow } from '../rows/network-row.ts'

/** Makes the calls on networks. */
export function createNetworkCalls({
  networks,
}: EngineContext): Pick<Engine, 'networks' | 'network' | 'createNetwork' | 'removeNetwork'> {
  return {
    networks: () => networks.list().map((network) => networkRow(network, networks)),
    network(name) {
      const network = networks.get(name)
      if (network === undefined) throw new MoorageError('NETWORK_NOT_FOUND', { network: name })
      return networkRow(network, networks)
    },
    createNetwork: async (name, settings) => networkRow(await networks.create(name, settings), networks),
    removeNetwork: (name) => networks.remove(name),
  }
}
