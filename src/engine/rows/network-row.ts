import type { NetworkRow } from '../../definition/index.ts'
import type { ServiceNetwork } from '../../network/index.ts'
import type { Networks } from '../networks/networks.ts'

/** Makes the row of a network that `network ls` and `status` show. */
export function networkRow({ name, network }: ServiceNetwork, networks: Networks): NetworkRow {
  const { subnet, gateway, subnet6, gateway6, isolation, mtu, namespace, hostRoute } = network
  return {
    name,
    subnet,
    gateway,
    subnet6: subnet6 ?? null,
    gateway6: gateway6 ?? null,
    isolation,
    mtu,
    namespace,
    hostRoute: hostRoute.present ? 'yes' : hostRoute.reason,
    kept: networks.isKept(name),
    sandboxes: network.sandboxes,
    pooled: network.pooled,
    problems: network.problems.map(({ message }) => message),
  }
}
