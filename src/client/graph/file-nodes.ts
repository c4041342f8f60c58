import type { DirectoryOperation, FileOperation, HttpOperation } from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { bindingsOf, type DescribedBinding } from './exec-node.ts'
import type { Node } from './graph.ts'

/** A directory or a file of a filesystem. */
export function partNode(op: 'directory' | 'file', input: Node, path: string): Node {
  return {
    inputs: [input],
    operation: (indexOf): DirectoryOperation | FileOperation => ({ op, input: indexOf(input), path }),
  }
}

/** The body of a URL's answer, as a file. */
export function httpNode(
  fields: Omit<HttpOperation, 'op' | 'bindings'>,
  bindings: readonly DescribedBinding[],
): Node {
  return {
    inputs: bindings.map(({ exec }) => exec),
    operation: (indexOf): HttpOperation => ({
      op: 'http',
      ...fields,
      ...withoutUndefined({ bindings: bindingsOf(bindings, indexOf) }),
    }),
  }
}
