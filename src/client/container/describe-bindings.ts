import { MoorageError } from '../../errors/index.ts'
import type { DescribedBinding } from '../graph/exec-node.ts'
import type { Service } from '../service/service.ts'
import { checkAlias } from './check-names.ts'
import { Container } from './container.ts'

/** Services by their aliases. */
export type ServiceBindings = Readonly<Record<string, Container | Service>>

/** @throws MoorageError INVALID_ALIAS, ALIAS_TWICE */
export function describeBindings(bindings: ServiceBindings): DescribedBinding[] {
  const aliases = new Set<string>()
  return Object.entries(bindings).map(([alias, target]) => {
    checkAlias(alias)
    if (aliases.has(alias.toLowerCase())) throw new MoorageError('ALIAS_TWICE', { alias })
    aliases.add(alias.toLowerCase())
    const { vertex: exec, options } = target instanceof Container ? target.asService() : target
    return { alias, exec, options }
  })
}
