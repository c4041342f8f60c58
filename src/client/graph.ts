import type { Definition, Operation } from '../definition/index.ts'

/**
 * An operation with its inputs as objects: what describing makes. The same object is one operation of the definition,
 * however often it is used.
 */
export interface Node {
  /** The operation, once the indexes of its inputs are known. */
  operation(indexOf: (input: Node) => number): Operation
}

/** A graph as it travels: inputs before what uses them. */
export function definitionOf(root: Node): Definition {
  const ops: Operation[] = []
  const indexes = new Map<Node, number>()
  const indexOf = (node: Node): number => {
    const known = indexes.get(node)
    if (known !== undefined) return known
    // Inputs are added while the operation is made, so that it comes after them.
    const operation = node.operation(indexOf)
    indexes.set(node, ops.length)
    ops.push(operation)
    return ops.length - 1
  }
  return { root: indexOf(root), ops }
}
