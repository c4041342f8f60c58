import type { Problem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { networkRow } from '../rows/network-row.ts'

/** The calls on networks, and what is wrong with them. */
export function networking({
  networks,
}: EngineContext): Pick<Engine, 'networks' | 'network' | 'createNetwork' | 'removeNetwork' | 'problems'> {
  return {
    networks: () => networks.list().map((one) => networkRow(one, networks)),
    network(name) {
      const found = networks.get(name)
      if (found === undefined) throw new MoorageError('NETWORK_NOT_FOUND', { network: name })
      return networkRow(found, networks)
    },
    createNetwork: async (name, settings) => networkRow(await networks.create(name, settings), networks),
    removeNetwork: (name) => networks.remove(name),
    problems: () => [
      ...(networks.on ? [] : [problemOf(new MoorageError('SERVICES_DNS_OFF'))]),
      ...networks
        .list()
        .flatMap(({ name, network }) =>
          network.problems.map(({ message }) =>
            problemOf(new MoorageError('NETWORK_PROBLEM', { network: name, problem: message })),
          ),
        ),
    ],
  }
}

function problemOf({ code, message, hint }: MoorageError): Problem {
  return { code, message, hint }
}
