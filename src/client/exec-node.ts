import type { Binding, ExecOperation, Mount, ServiceOptions, Sharing } from '../definition/index.ts'
import type { CacheVolume } from './cache-volume.ts'
import type { Node } from './graph.ts'
import type { HostDirectory } from './host-directory.ts'

/** A service that a client is bound to. */
export interface BoundService {
  readonly alias: string
  readonly exec: ExecNode
  readonly options: ServiceOptions
}

export interface CacheMount {
  readonly path: string
  readonly volume: CacheVolume
  readonly sharing: Sharing
}

/** The fields of an exec that name no other operation. */
export type ExecFields = Omit<ExecOperation, 'op' | 'input' | 'mounts' | 'bindings'>

/** One command on a filesystem. */
export class ExecNode implements Node {
  readonly input: Node
  readonly fields: ExecFields
  readonly mounts: readonly CacheMount[]
  readonly bindings: readonly BoundService[]

  constructor(
    input: Node,
    fields: ExecFields,
    mounts: readonly CacheMount[] = [],
    bindings: readonly BoundService[] = [],
  ) {
    this.input = input
    this.fields = fields
    this.mounts = mounts
    this.bindings = bindings
  }

  operation(indexOf: (input: Node) => number): ExecOperation {
    const mounts = this.mounts.map(
      ({ path, volume, sharing }): Mount => ({ type: 'cache', path, volume: indexOf(volume), sharing }),
    )
    const bindings = this.bindings.map(
      ({ alias, exec, options }): Binding => ({ alias, service: { exec: indexOf(exec), ...options } }),
    )
    return {
      op: 'exec',
      input: indexOf(this.input),
      ...this.fields,
      ...(mounts.length > 0 ? { mounts } : {}),
      ...(bindings.length > 0 ? { bindings } : {}),
    }
  }

  /** The same, as another instance. */
  withFields(fields: ExecFields): ExecNode {
    return new ExecNode(this.input, { ...this.fields, ...fields }, this.mounts, this.bindings)
  }
}

/** A container's root filesystem made of a directory. */
export class RootfsNode implements Node {
  readonly directory: HostDirectory

  constructor(directory: HostDirectory) {
    this.directory = directory
  }

  operation(indexOf: (input: Node) => number): { op: 'rootfs'; directory: number } {
    return { op: 'rootfs', directory: indexOf(this.directory) }
  }
}

export class ImageNode implements Node {
  readonly ref: string
  readonly pull: 'always' | undefined

  constructor(ref: string, pull: 'always' | undefined) {
    this.ref = ref
    this.pull = pull
  }

  operation(): { op: 'image'; ref: string; pull?: 'always' } {
    return { op: 'image', ref: this.ref, ...(this.pull ? { pull: this.pull } : {}) }
  }
}

export class ScratchNode implements Node {
  operation(): { op: 'scratch' } {
    return { op: 'scratch' }
  }
}

/** The directories of this machine that an exec is made of, through its inputs and services. */
export function directoriesOf(node: Node, seen: Set<Node> = new Set()): HostDirectory[] {
  if (seen.has(node)) return []
  seen.add(node)
  if (node instanceof RootfsNode) return [node.directory]
  if (!(node instanceof ExecNode)) return []
  return [node.input, ...node.bindings.map(({ exec }) => exec)].flatMap((input) => directoriesOf(input, seen))
}
