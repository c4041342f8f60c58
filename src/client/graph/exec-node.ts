import type { Binding, ExecOperation, Mount, ServiceOptions, Sharing } from '../../definition/index.ts'
import type { CacheVolume } from './cache-volume.ts'
import type { IndexOf, Node } from './graph.ts'

/** A service that a client is bound to. */
export interface BoundService {
  readonly alias: string
  /** An exec, or ports of the host. */
  readonly exec: Node
  readonly options: ServiceOptions
}

/** What is mounted, each at a path of its own. */
export type DescribedMount =
  | { readonly type: 'cache'; readonly path: string; readonly volume: CacheVolume; readonly sharing: Sharing }
  | { readonly type: 'directory' | 'file'; readonly path: string; readonly source: Node }
  | { readonly type: 'temp'; readonly path: string; readonly size?: number }

/** The fields of an exec that name no other operation. */
export type ExecFields = Omit<ExecOperation, 'op' | 'input' | 'mounts' | 'bindings'>

export interface ExecOptions {
  /** Put the image's entrypoint before the arguments, as `docker run IMAGE ARGS` does. */
  useEntrypoint?: boolean
  /** Given to the process, whose standard input then ends. */
  stdin?: string
  /** Which exit codes are a success. @defaultValue `'success'`: 0 */
  expect?: 'success' | 'any' | number[]
  /** Run it each time: neither look up its result nor store it, here and in what descends from it. */
  noCache?: boolean
}

/** One command on a filesystem. */
export class ExecNode implements Node {
  readonly input: Node
  readonly fields: ExecFields
  readonly mounts: readonly DescribedMount[]
  readonly bindings: readonly BoundService[]

  constructor(
    input: Node,
    fields: ExecFields,
    mounts: readonly DescribedMount[] = [],
    bindings: readonly BoundService[] = [],
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
    const bindings = bindingsOf(this.bindings, indexOf)
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

export function bindingsOf(bindings: readonly BoundService[], indexOf: IndexOf): Binding[] {
  return bindings.map(({ alias, exec, options }) => ({ alias, service: { exec: indexOf(exec), ...options } }))
}
