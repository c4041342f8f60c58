import { normalPath } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { DescribedMount } from '../graph/exec-node.ts'
import type { Node } from '../graph/graph.ts'
import { containerPath } from '../graph/path.ts'

type SourceMount = Extract<DescribedMount, { source: Node }>

/** The part of a definition that holds what a container sees at a path. */
export interface PathSource {
  readonly source: Node
  /** The path in `source`. */
  readonly path: string
  /** Set when `source` is a directory that is mounted into the container. */
  readonly mount?: SourceMount
}

/**
 * Finds the source of a path: the container's filesystem, or a directory that is mounted over it.
 *
 * @param what - the kind of thing at the path, for the error
 * @throws MoorageError INVALID_OPTION for a path in a cache volume, in a directory in memory or in a mounted file: those
 * are no part of the container
 */
export function sourceOf(
  { filesystem, mounts }: { filesystem: Node; mounts: readonly DescribedMount[] },
  what: string,
  option: string,
): PathSource {
  const path = containerPath(what, option)
  const innermost = mounts
    .filter((mount) => isWithin(path, normalPath(mount.path)))
    .sort((a, b) => b.path.length - a.path.length)[0]
  if (innermost === undefined) return { source: filesystem, path }
  if (innermost.type === 'directory') {
    const inner = path.slice(innermost.path.length) || '/'
    return { source: innermost.source, path: normalPath(inner), mount: { ...innermost, type: 'directory' } }
  }
  const kinds = { cache: 'a cache volume', temp: 'a directory in memory', file: 'a file' }
  throw new MoorageError('INVALID_OPTION', {
    option: `${what} "${option}"`,
    reason: `${innermost.path} is ${kinds[innermost.type]} that is mounted there, and no part of the container`,
  })
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}
