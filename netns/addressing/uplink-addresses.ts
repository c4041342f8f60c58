/** The addresses of uplinks: a pair for each network, its host's end and its own. */
import { NetnsError } from '../kernel/index.ts'
import { addressNumber, type Subnet } from './addresses.ts'
import type { HostRoute } from './read-host.ts'

/** Link-local, so that no router takes it further; the metadata address is not in it. */
export const defaultUplinkRange = '169.254.240.0/20'

/**
 * Chooses a pair of addresses that nobody on the host has.
 *
 * @param start - the number of the pair to begin with; it differs between instances, so that two which choose at the
 *   same moment do not choose the same
 * @throws NetnsError `NO_UPLINK`
 */
export function chooseUplinkAddresses(
  range: Subnet,
  routes: readonly HostRoute[],
  start: number,
): { host: number; network: number } {
  const taken = new Set(
    routes.filter(({ length }) => length === 32).map(({ address }) => addressNumber(address)),
  )
  const pairs = (range.last - range.first + 1) / 2
  for (let tried = 0; tried < pairs; tried++) {
    const host = range.first + 2 * ((start + tried) % pairs)
    if (!taken.has(host) && !taken.has(host + 1)) return { host, network: host + 1 }
  }
  throw new NetnsError('NO_UPLINK', `all ${pairs} address pairs of the uplink range ${range.text} are in use`)
}

/** All IPv6 addresses of uplinks are from here. */
export const uplinkRange6 = 'fd6d:6f6f:7261:6765::/64'

/**
 * Returns the IPv6 address that goes with an end's IPv4 address, which nobody else on the host has. It never leaves
 * the host: it is masqueraded.
 */
export function uplinkAddress6(address: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('fd6d6f6f7261676500000000', 'hex'), address])
}
