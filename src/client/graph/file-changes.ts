import { type FileAttributes, ownerProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { CopyNode, RemoveNode, WriteNode } from './file-nodes.ts'
import type { Node } from './graph.ts'

/** Options of putting a file or a directory into a filesystem. */
export interface PutOptions {
  /** `uid` or `uid:gid`, as numbers. @defaultValue the owner in the source */
  owner?: string
}

export interface NewFileOptions {
  /** `uid` or `uid:gid`, as numbers. @defaultValue root */
  owner?: string
  /** The bits of chmod(2). @defaultValue 0o644 */
  permissions?: number
}

/** @throws MoorageError INVALID_OPTION */
export function copied(input: Node, source: Node, path: string, options: FileAttributes): Node {
  return new CopyNode(input, source, { path, ...checked(options) })
}

/** @throws MoorageError INVALID_OPTION */
export function written(
  input: Node,
  path: string,
  contents: string | Uint8Array,
  options: NewFileOptions,
): Node {
  const text =
    typeof contents === 'string'
      ? { contents }
      : { contents: Buffer.from(contents).toString('base64'), encoding: 'base64' as const }
  return new WriteNode(input, { path, ...text, ...checked(options) })
}

export function removed(input: Node, path: string, options: { recursive?: true } = {}): Node {
  return new RemoveNode(input, { path, ...options })
}

function checked({ owner, permissions }: FileAttributes): FileAttributes {
  const reason = owner === undefined ? undefined : ownerProblem(owner)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `owner "${owner}"`, reason })
  if (
    permissions !== undefined &&
    !(Number.isInteger(permissions) && permissions >= 0 && permissions <= 0o7777)
  ) {
    const option = `permissions ${permissions}`
    throw new MoorageError('INVALID_OPTION', { option, reason: 'they are from 0 to 0o7777' })
  }
  return withoutUndefined({ owner, permissions })
}
