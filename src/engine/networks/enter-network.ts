import { MoorageError } from '../../errors/index.ts'
import type { Berths, ServiceNetwork } from '../../network/index.ts'
import type { EngineContext } from '../context.ts'
import type { Releases } from '../release.ts'

/** Uses a network until `releases` run, and makes it if it is not there. */
export async function enterNetwork(
  { networks }: EngineContext,
  name: string,
  releases: Releases,
): Promise<Berths> {
  const { network, release } = await networks.use(name)
  releases.add('leave the network', release)
  return network
}

/**
 * Does the same where the host's network will not do.
 *
 * @throws MoorageError SERVICES_DNS_OFF where containers use the host's network
 */
export async function enterServiceNetwork(
  context: EngineContext,
  name: string,
  releases: Releases,
): Promise<ServiceNetwork> {
  await enterNetwork(context, name, releases)
  const network = context.networks.get(name)
  // Whatever runs in the host's own network could reach all of the host.
  if (network === undefined) throw new MoorageError('SERVICES_DNS_OFF')
  return network
}
