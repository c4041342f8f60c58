import type { Problem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { Networks } from '../networks/networks.ts'

/** Returns what `moorage status` shows as problems: networks that are switched off, and what is wrong with each. */
export function problemsOf(networks: Networks): Problem[] {
  const errors = networks
    .list()
    .flatMap(({ name, network }) =>
      network.problems.map(
        ({ message }) => new MoorageError('NETWORK_PROBLEM', { network: name, problem: message }),
      ),
    )
  if (!networks.on) errors.unshift(new MoorageError('SERVICES_DNS_OFF'))
  return errors.map(({ code, message, hint }) => ({ code, message, hint }))
}
