import type { Definition, Operation } from '../../definition/index.ts'

/** An operation of a description, with its inputs as objects. */
export interface Node {
  /** The nodes whose indexes `operation` needs. */
  readonly inputs: readonly Node[]
  /** The operation as it travels, with indexes in place of nodes. */
  operation(indexOf: IndexOf): Operation
}

export type IndexOf = (input: Node) => number

/** A node and all that it depends on, each once, inputs first. */
export function nodesOf(root: Node): Node[] {
  const ordered: Node[] = []
  const opened = new Set<Node>()
  const closed = new Set<Node>()
  // A stack of our own: a chain of thousands of steps would overflow the engine's.
  const stack = [root]
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    if (!opened.has(node)) {
      opened.add(node)
      stack.push(...node.inputs.toReversed())
      continue
    }
    stack.pop()
    if (closed.has(node)) continue
    closed.add(node)
    ordered.push(node)
  }
  return ordered
}

/**
 * A graph as it travels. Equal operations become one, however often they were described.
 *
 * @param operationOf - a replacement for the nodes' own `operation`
 */
export function definitionOf(
  root: Node,
  operationOf = (node: Node, indexOf: IndexOf): Operation => node.operation(indexOf),
): Definition {
  const ops: Operation[] = []
  const indexes = new Map<Node, number>()
  const indexOfText = new Map<string, number>()
  const indexOf = (node: Node): number => {
    const index = indexes.get(node)
    if (index === undefined) throw new Error('an operation uses a node that is not among its inputs')
    return index
  }
  for (const node of nodesOf(root)) {
    const operation = operationOf(node, indexOf)
    const text = JSON.stringify(operation)
    const index = indexOfText.get(text) ?? ops.push(operation) - 1
    indexOfText.set(text, index)
    indexes.set(node, index)
  }
  return { ops, root: indexOf(root) }
}
