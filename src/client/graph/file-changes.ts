import {
  type CopyOperation,
  type FileAttributes,
  ownerProblem,
  type RemoveOperation,
  type WriteOperation,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { checkText } from './check-arguments.ts'
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

/** A filesystem into which a file, or the content of a directory, is put. @throws MoorageError INVALID_OPTION */
export function copied(input: Node, source: Node, path: string, options: FileAttributes): Node {
  const fields = { path, ...checked(options) }
  return {
    inputs: [input, source],
    operation: (indexOf): CopyOperation => ({
      op: 'copy',
      input: indexOf(input),
      source: indexOf(source),
      ...fields,
    }),
  }
}

/** A filesystem with a new file. @throws MoorageError INVALID_OPTION */
export function written(
  input: Node,
  path: string,
  contents: string | Uint8Array,
  options: NewFileOptions,
): Node {
  if (typeof contents === 'string') checkText('the contents of a file', contents)
  const text =
    typeof contents === 'string'
      ? { contents }
      : { contents: Buffer.from(contents).toString('base64'), encoding: 'base64' as const }
  const fields = { path, ...text, ...checked(options) }
  return {
    inputs: [input],
    operation: (indexOf): WriteOperation => ({ op: 'write', input: indexOf(input), ...fields }),
  }
}

/** A filesystem from which a file or a directory is removed. */
export function removed(input: Node, path: string, options: { recursive?: true } = {}): Node {
  return {
    inputs: [input],
    operation: (indexOf): RemoveOperation => ({ op: 'remove', input: indexOf(input), path, ...options }),
  }
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
