import type { Binding, ExecOperation, Mount, ServiceOptions, Sharing } from '../definition/index.ts'
import type { CacheVolume } from './cache-volume.ts'
import type { IndexOf, Node } from './graph.ts'

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

  get inputs(): Node[] {
    return [this.input, ...this.mounts.map(({ volume }) => volume), ...this.bindings.map(({ exec }) => exec)]
  }

  operation(indexOf: IndexOf): ExecOperation {
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

  /** The same, with other fields. */
  withFields(fields: ExecFields): ExecNode {
    return new ExecNode(this.input, { ...this.fields, ...fields }, this.mounts, this.bindings)
  }
}
