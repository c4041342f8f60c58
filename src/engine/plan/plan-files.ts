import {
  type Binding,
  digestOfCopy,
  digestOfHttp,
  digestOfPart,
  digestOfRemove,
  digestOfRootfs,
  digestOfWrite,
  type FileAttributes,
  normalPath,
  type Operation,
} from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import {
  emptyConfig,
  type FilesystemChange,
  isFresh,
  type PlannedBinding,
  type PlannedFetch,
  type PlannedFilesystem,
  type PlannedPart,
  type PlannedRoot,
  rootOf,
} from './planned.ts'

/** The operations that run nothing in a container. */
type FilesOperation = Extract<
  Operation,
  { op: 'rootfs' | 'directory' | 'file' | 'copy' | 'write' | 'remove' | 'http' }
>

/** The plans of the earlier operations that an operation names. `by` is the index of the one that names them. */
export interface EarlierPlans {
  part(index: number, by: number): Promise<PlannedPart>
  filesystem(index: number, by: number): Promise<PlannedFilesystem>
  bindings(bindings: readonly Binding[], by: number): Promise<PlannedBinding[]>
}

/** The path of the answer in the filesystem that a fetch makes. */
export const fetchedPath = '/content'

export async function planFilesOperation(
  op: FilesOperation,
  index: number,
  plans: EarlierPlans,
): Promise<PlannedPart> {
  switch (op.op) {
    case 'rootfs': {
      const input = await plans.filesystem(op.directory, index)
      const root = { ...directoryRoot(input.digest), name: 'rootfs' }
      const digest = digestOfRootfs(input.digest)
      return { kind: 'directory', digest, input, path: '/', root, noCache: isFresh(input) }
    }
    case 'directory': {
      const input = await plans.filesystem(op.input, index)
      const path = normalPath(op.path)
      const digest = digestOfPart('directory', { input: input.digest, path })
      return { kind: 'directory', digest, input, path, root: directoryRoot(digest), noCache: isFresh(input) }
    }
    case 'file': {
      const input = await plans.filesystem(op.input, index)
      const path = normalPath(op.path)
      const digest = digestOfPart('file', { input: input.digest, path })
      return { kind: 'file', digest, input, path, noCache: isFresh(input) }
    }
    case 'copy': {
      const [input, source] = await Promise.all([
        plans.filesystem(op.input, index),
        plans.part(op.source, index),
      ])
      const path = normalPath(op.path)
      const attributes = attributesOf(op)
      const digest = digestOfCopy({ input: input.digest, source: source.digest, path, ...attributes })
      const change = { type: 'copy' as const, path, source, ...attributes }
      return changed(input, digest, change, isFresh(source))
    }
    case 'write': {
      const input = await plans.filesystem(op.input, index)
      const path = normalPath(op.path)
      const contents = Buffer.from(op.contents, op.encoding ?? 'utf8')
      const attributes = attributesOf(op)
      const digest = digestOfWrite({ input: input.digest, path, contents, ...attributes })
      return changed(input, digest, { type: 'write', path, contents, ...attributes })
    }
    case 'remove': {
      const input = await plans.filesystem(op.input, index)
      const path = normalPath(op.path)
      const { recursive = false } = op
      const digest = digestOfRemove({ input: input.digest, path, recursive })
      return changed(input, digest, { type: 'remove', path, recursive })
    }
    case 'http': {
      const bindings = await plans.bindings(op.bindings ?? [], index)
      const url = new URL(op.url).href
      const bound = bindings.map(({ alias, service }) => ({ alias, service: service.exec.digest }))
      const digest = digestOfHttp({ url, bindings: bound })
      const noCache = op.noCache ?? false
      const input: PlannedFetch = { kind: 'fetch', digest, url, bindings, noCache }
      return { kind: 'file', digest, input, path: fetchedPath, noCache }
    }
  }
}

function changed(
  input: PlannedFilesystem,
  digest: string,
  change: FilesystemChange,
  noCache = false,
): PlannedFilesystem {
  return { kind: 'change', digest, input, root: rootOf(input), change, noCache: noCache || isFresh(input) }
}

function attributesOf({ owner, permissions }: FileAttributes): FileAttributes {
  return withoutUndefined({ owner, permissions })
}

/** Returns the root of a filesystem that a directory of another becomes: it has no configuration. */
function directoryRoot(digest: string): PlannedRoot {
  const ref = `directory ${digest.slice(7, 19)}`
  return { kind: 'root', digest, ref, name: 'directory', directory: null, config: emptyConfig }
}
