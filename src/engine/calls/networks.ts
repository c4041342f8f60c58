import type { ServiceRow } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { networkRow } from '../rows/network-row.ts'
import { isLive, serviceRow } from '../rows/service-row.ts'

/** Makes the calls on networks. */
export function createNetworkCalls({
  networks,
  services,
}: EngineContext): Pick<Engine, 'networks' | 'network' | 'createNetwork' | 'removeNetwork'> {
  return {
    networks: () => networks.list().map((network) => networkRow(network, networks)),
    network(name) {
      const network = networks.get(name)
      if (network === undefined) throw new MoorageError('NETWORK_NOT_FOUND', { network: name })
      return networkRow(network, networks)
    },
    createNetwork: async (name, settings) => networkRow(await networks.create(name, settings), networks),
    async removeNetwork(name) {
      try {
        await networks.remove(name)
      } catch (error) {
        if (!(error instanceof MoorageError && error.code === 'NETWORK_IN_USE')) throw error
        const inIt = services
          .list()
          .map((snapshot) => serviceRow(snapshot, []))
          .filter((row) => row.network === name && isLive(row))
        if (inIt.length === 0) throw error
        throw new MoorageError(
          'NETWORK_IN_USE',
          { ...error.details, network: name, users: inIt.length, what: whatUses(inIt) },
          { cause: error },
        )
      }
    },
  }
}

/** How many services the message names. */
const mostNamed = 5

function whatUses(rows: readonly ServiceRow[]): string {
  const named = rows.slice(0, mostNamed).map(({ name, state, stopsAt }) => {
    if (stopsAt === null) return `${name} is ${state}`
    return `${name} stops in ${Math.max(0, Math.ceil((stopsAt - Date.now()) / 1000))}s`
  })
  const more = rows.length - named.length
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join(', ')
}
