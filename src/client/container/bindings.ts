import { aliasProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { BoundService } from '../graph/exec-node.ts'
import { definitionOf, type IndexOf, type Node } from '../graph/graph.ts'
import { HostDirectory } from '../graph/host-directory.ts'

/** @throws MoorageError INVALID_ALIAS */
export function checkAlias(alias: string): void {
  const reason = aliasProblem(alias)
  if (reason !== undefined) throw new MoorageError('INVALID_ALIAS', { alias, reason })
}

/**
 * With one more. The same service may be bound again under its alias, with other options.
 *
 * @throws MoorageError ALIAS_TWICE
 */
export function withBinding(bindings: readonly BoundService[], bound: BoundService): BoundService[] {
  const { alias, exec } = bound
  const same = bindings.find((one) => one.alias.toLowerCase() === alias.toLowerCase())
  if (same && same.exec !== exec && !sameDefinition(same.exec, exec))
    throw new MoorageError('ALIAS_TWICE', { alias })
  return [...bindings.filter((one) => one !== same), bound]
}

/** Whether two execs are described alike; directories, which may not have been read yet, by their paths. */
function sameDefinition(one: Node, other: Node): boolean {
  const operationOf = (node: Node, indexOf: IndexOf) =>
    node instanceof HostDirectory ? { op: 'host' as const, digest: node.identity } : node.operation(indexOf)
  const [described, otherwise] = [one, other].map((exec) => JSON.stringify(definitionOf(exec, operationOf)))
  return described === otherwise
}
