import type { Binding, ExecOperation, Mount, ServiceOptions, Sharing } from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { CacheVolume } from './cache-volume.ts'
import type { IndexOf, Node } from './graph.ts'

/** A binding of a client to a service, with the service as a node. */
export interface DescribedBinding {
  readonly alias: string
  /** An exec, or ports of the host. */
  readonly exec: Node
  readonly options: ServiceOptions
}

/** A mount of a container, with its source as a node. */
export type DescribedMount =
  | { readonly type: 'cache'; readonly path: string; readonly volume: CacheVolume; readonly sharing: Sharing }
  | { readonly type: 'directory' | 'file'; readonly path: string; readonly source: Node }
  | {
      readonly type: 'temp'
      readonly path: string
      readonly size?: number
      readonly owner?: string
      readonly mode?: number
    }

/** The fields of an exec that name no other operation. */
export type ExecFields = Omit<ExecOperation, 'op' | 'input' | 'mounts' | 'bindings'>

export interface ExecOptions {
  /** Put the image's entrypoint before the arguments, as `docker run IMAGE ARGS` does. */
  useEntrypoint?: boolean
  /** The whole standard input of the process. */
  stdin?: string
  /** Exit codes that are no error. @defaultValue `'success'`: 0 */
  expect?: 'success' | 'any' | number[]
  /** Run it each time: neither its result nor those of later steps are looked up or stored. */
  noCache?: boolean
}

/** One command on a filesystem. */
export class ExecNode implements Node {
  readonly input: Node
  readonly fields: ExecFields
  readonly mounts: readonly DescribedMount[]
  readonly bindings: readonly DescribedBinding[]

  constructor(
    input: Node,
    fields: ExecFields,
    mounts: readonly DescribedMount[] = [],
    bindings: readonly DescribedBinding[] = [],
  ) {
    this.input = input
    this.fields = fields
    this.mounts = mounts
    this.bindings = bindings
  }

  get inputs(): Node[] {
    return [this.input, ...this.mounts.flatMap(inputsOfMount), ...this.bindings.map(({ exec }) => exec)]
  }

  operation(indexOf: IndexOf): ExecOperation {
    const mounts = this.mounts.map((mount) => mountOf(mount, indexOf))
    return {
      op: 'exec',
      input: indexOf(this.input),
      ...this.fields,
      ...withoutUndefined({
        mounts: mounts.length > 0 ? mounts : undefined,
        bindings: bindingsOf(this.bindings, indexOf),
      }),
    }
  }

  /** A node that differs in some fields. */
  withFields(fields: ExecFields): ExecNode {
    return new ExecNode(this.input, { ...this.fields, ...fields }, this.mounts, this.bindings)
  }
}

function inputsOfMount(mount: DescribedMount): Node[] {
  if (mount.type === 'temp') return []
  return [mount.type === 'cache' ? mount.volume : mount.source]
}

function mountOf(mount: DescribedMount, indexOf: IndexOf): Mount {
  switch (mount.type) {
    case 'cache':
      return { type: 'cache', path: mount.path, volume: indexOf(mount.volume), sharing: mount.sharing }
    case 'temp':
      return mount
    default:
      return { type: mount.type, path: mount.path, source: indexOf(mount.source) }
  }
}

/** Bindings as an operation has them; undefined when there are none. */
export function bindingsOf(bindings: readonly DescribedBinding[], indexOf: IndexOf): Binding[] | undefined {
  if (bindings.length === 0) return undefined
  return bindings.map(({ alias, exec, options }) => ({ alias, service: { exec: indexOf(exec), ...options } }))
}
