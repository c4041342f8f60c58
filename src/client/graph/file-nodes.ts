import type {
  CopyOperation,
  DirectoryOperation,
  FileAttributes,
  FileOperation,
  HttpOperation,
  RemoveOperation,
  WriteOperation,
} from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { type BoundService, bindingsOf } from './exec-node.ts'
import type { IndexOf, Node } from './graph.ts'

/** A directory or a file of a filesystem. */
export class PartNode implements Node {
  readonly inputs: readonly Node[]
  readonly #op: 'directory' | 'file'
  readonly #input: Node
  readonly #path: string

  constructor(op: 'directory' | 'file', input: Node, path: string) {
    this.#op = op
    this.#input = input
    this.#path = path
    this.inputs = [input]
  }

  operation(indexOf: IndexOf): DirectoryOperation | FileOperation {
    return { op: this.#op, input: indexOf(this.#input), path: this.#path }
  }
}

/** A filesystem into which a file, or the content of a directory, is put. */
export class CopyNode implements Node {
  readonly inputs: readonly Node[]
  readonly #input: Node
  readonly #source: Node
  readonly #fields: { path: string } & FileAttributes

  constructor(input: Node, source: Node, fields: { path: string } & FileAttributes) {
    this.#input = input
    this.#source = source
    this.#fields = fields
    this.inputs = [input, source]
  }

  operation(indexOf: IndexOf): CopyOperation {
    return { op: 'copy', input: indexOf(this.#input), source: indexOf(this.#source), ...this.#fields }
  }
}

/** A filesystem with a new file. */
export class WriteNode implements Node {
  readonly inputs: readonly Node[]
  readonly #input: Node
  readonly #fields: Omit<WriteOperation, 'op' | 'input'>

  constructor(input: Node, fields: Omit<WriteOperation, 'op' | 'input'>) {
    this.#input = input
    this.#fields = fields
    this.inputs = [input]
  }

  operation(indexOf: IndexOf): WriteOperation {
    return { op: 'write', input: indexOf(this.#input), ...this.#fields }
  }
}

/** A filesystem from which a file or a directory is removed. */
export class RemoveNode implements Node {
  readonly inputs: readonly Node[]
  readonly #input: Node
  readonly #fields: Omit<RemoveOperation, 'op' | 'input'>

  constructor(input: Node, fields: Omit<RemoveOperation, 'op' | 'input'>) {
    this.#input = input
    this.#fields = fields
    this.inputs = [input]
  }

  operation(indexOf: IndexOf): RemoveOperation {
    return { op: 'remove', input: indexOf(this.#input), ...this.#fields }
  }
}

/** The body of a URL's answer, as a file. */
export class HttpNode implements Node {
  readonly inputs: readonly Node[]
  readonly #fields: Omit<HttpOperation, 'op' | 'bindings'>
  readonly #bindings: readonly BoundService[]

  constructor(fields: Omit<HttpOperation, 'op' | 'bindings'>, bindings: readonly BoundService[]) {
    this.#fields = fields
    this.#bindings = bindings
    this.inputs = bindings.map(({ exec }) => exec)
  }

  operation(indexOf: IndexOf): HttpOperation {
    const bindings = bindingsOf(this.#bindings, indexOf)
    return { op: 'http', ...this.#fields, ...withoutUndefined({ bindings }) }
  }
}
