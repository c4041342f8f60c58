import { MoorageError } from '../../errors/index.ts'
import type { DescribedBinding } from '../graph/exec-node.ts'
import { definitionOf, type IndexOf, type Node } from '../graph/graph.ts'
import { HostDirectory } from '../graph/host-directory.ts'

/**
 * Adds a binding. The same service may be bound again under its alias: then the later options count.
 *
 * @throws MoorageError ALIAS_TWICE
 */
export function withBinding(
  bindings: readonly DescribedBinding[],
  added: DescribedBinding,
): DescribedBinding[] {
  const { alias, exec } = added
  const same = bindings.find((binding) => binding.alias.toLowerCase() === alias.toLowerCase())
  if (same && same.exec !== exec && !isSameDefinition(same.exec, exec))
    throw new MoorageError('ALIAS_TWICE', { alias })
  return [...bindings.filter((binding) => binding !== same), added]
}

/** Compares two descriptions. A host directory, which may not have been read yet, is compared by its path and filter. */
function isSameDefinition(one: Node, other: Node): boolean {
  const operationOf = (node: Node, indexOf: IndexOf) =>
    node instanceof HostDirectory ? { op: 'host' as const, digest: node.identity } : node.operation(indexOf)
  const [first, second] = [one, other].map((exec) => JSON.stringify(definitionOf(exec, operationOf)))
  return first === second
}
