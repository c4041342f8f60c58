import { MoorageError } from '../../errors/index.ts'
import type { BoundService } from '../graph/exec-node.ts'
import type { Service } from '../service/service.ts'
import { checkAlias } from './bindings.ts'
import { Container } from './container.ts'

/** Services by the alias that each has. */
export type ServiceBindings = Readonly<Record<string, Container | Service>>

/** @throws MoorageError INVALID_ALIAS, ALIAS_TWICE */
export function boundServices(services: ServiceBindings): BoundService[] {
  const aliases = new Set<string>()
  return Object.entries(services).map(([alias, given]) => {
    checkAlias(alias)
    if (aliases.has(alias.toLowerCase())) throw new MoorageError('ALIAS_TWICE', { alias })
    aliases.add(alias.toLowerCase())
    const { vertex: exec, options } = given instanceof Container ? given.asService() : given
    return { alias, exec, options }
  })
}
