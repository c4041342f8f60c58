import {
  type Binding,
  type CopyOperation,
  copyVertex,
  type DirectoryOperation,
  type FileAttributes,
  type FileOperation,
  type HttpOperation,
  httpVertex,
  normalPath,
  partVertex,
  type RemoveOperation,
  type RootfsOperation,
  removeVertex,
  rootfsVertex,
  type WriteOperation,
  writeVertex,
} from '../../definition/index.ts'
import { emptyConfig, type PlannedBinding, type PlannedFilesystem, type PlannedRoot, rootOf } from './plan.ts'
import type { Change, PlannedFetch, PlannedFile } from './planned-files.ts'

/** The operations that run nothing in a container. */
export type FilesOperation =
  | RootfsOperation
  | DirectoryOperation
  | FileOperation
  | CopyOperation
  | WriteOperation
  | RemoveOperation
  | HttpOperation

/** The plans of what an operation names, which are of earlier ones. */
export interface FilesystemPlanner {
  part(index: number, by: number): Promise<PlannedFilesystem | PlannedFile>
  filesystem(index: number, by: number): Promise<PlannedFilesystem>
  bindings(bindings: readonly Binding[], by: number): Promise<PlannedBinding[]>
}

/** In a fetched filesystem: what the URL answered. */
export const fetchedPath = '/content'

export async function planFiles(
  op: FilesOperation,
  index: number,
  plans: FilesystemPlanner,
): Promise<PlannedFilesystem | PlannedFile> {
  switch (op.op) {
    case 'rootfs': {
      const input = await plans.filesystem(op.directory, index)
      const root = { ...directoryRoot(input.digest), name: 'rootfs' }
      const digest = rootfsVertex(input.digest)
      return { kind: 'directory', digest, input, path: '/', root, noCache: isFresh(input) }
    }
    case 'directory': {
      const input = await plans.filesystem(op.input, index)
      const path = normalPath(op.path)
      const digest = partVertex('directory', { input: input.digest, path })
      return { kind: 'directory', digest, input, path, root: directoryRoot(digest), noCache: isFresh(input) }
    }
    case 'file': {
      const input = await plans.filesystem(op.input, index)
      const path = normalPath(op.path)
      const digest = partVertex('file', { input: input.digest, path })
      return { kind: 'file', digest, input, path, noCache: isFresh(input) }
    }
    case 'copy': {
      const [input, source] = await Promise.all([
        plans.filesystem(op.input, index),
        plans.part(op.source, index),
      ])
      const path = normalPath(op.path)
      const attributes = attributesOf(op)
      const digest = copyVertex({ input: input.digest, source: source.digest, path, ...attributes })
      const change = { type: 'copy' as const, path, source, ...attributes }
      return changed(input, digest, change, isFresh(source))
    }
    case 'write': {
      const input = await plans.filesystem(op.input, index)
      const path = normalPath(op.path)
      const contents = Buffer.from(op.contents, op.encoding ?? 'utf8')
      const attributes = attributesOf(op)
      const digest = writeVertex({ input: input.digest, path, contents, ...attributes })
      return changed(input, digest, { type: 'write', path, contents, ...attributes })
    }
    case 'remove': {
      const input = await plans.filesystem(op.input, index)
      const path = normalPath(op.path)
      const { recursive = false } = op
      const digest = removeVertex({ input: input.digest, path, recursive })
      return changed(input, digest, { type: 'remove', path, recursive })
    }
    case 'http': {
      const bindings = await plans.bindings(op.bindings ?? [], index)
      const url = new URL(op.url).href
      const bound = bindings.map(({ alias, service }) => ({ alias, service: service.exec.digest }))
      const digest = httpVertex({ url, bindings: bound })
      const noCache = op.noCache ?? false
      const input: PlannedFetch = { kind: 'fetch', digest, url, bindings, noCache }
      return { kind: 'file', digest, input, path: fetchedPath, noCache }
    }
  }
}

/** Whether it is made anew each time: an exec that it comes from is. */
export function isFresh(part: PlannedFilesystem | PlannedFile): boolean {
  return part.kind !== 'root' && part.noCache
}

function changed(
  input: PlannedFilesystem,
  digest: string,
  change: Change,
  noCache = false,
): PlannedFilesystem {
  return { kind: 'change', digest, input, root: rootOf(input), change, noCache: noCache || isFresh(input) }
}

function attributesOf({ owner, permissions }: FileAttributes): FileAttributes {
  return {
    ...(owner === undefined ? {} : { owner }),
    ...(permissions === undefined ? {} : { permissions }),
  }
}

/** What a container has of a directory that it starts from: no configuration. */
function directoryRoot(digest: string): PlannedRoot {
  const ref = `directory ${digest.slice(7, 19)}`
  return { kind: 'root', digest, ref, name: 'directory', directory: null, config: emptyConfig }
}
