import type { Problem } from '../../definition/index.ts'
import { asMoorageError, MoorageError } from '../../errors/index.ts'
import type { Store } from '../../store/index.ts'
import type { Networks } from '../networks/networks.ts'

/** Returns what `moorage status` shows as problems: networks that are switched off, what is wrong with each, and a full disk. */
export function problemsOf(networks: Networks, store: Pick<Store, 'ensureSpace'>): Problem[] {
  const errors = networks
    .list()
    .flatMap(({ name, network }) =>
      network.problems.map(
        ({ message }) => new MoorageError('NETWORK_PROBLEM', { network: name, problem: message }),
      ),
    )
  if (!networks.on) errors.unshift(new MoorageError('SERVICES_DNS_OFF'))
  try {
    store.ensureSpace()
  } catch (error) {
    // Told as it would be to whoever starts something now.
    errors.push(asMoorageError(error))
  }
  return errors.map(({ code, message, hint }) => ({ code, message, hint }))
}
