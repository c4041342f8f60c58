import { normalPath } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { DescribedMount } from '../graph/exec-node.ts'
import type { Node } from '../graph/graph.ts'
import { containerPath } from '../graph/path.ts'

type SourceMount = Extract<DescribedMount, { source: Node }>

/** What is seen at a path of a container, and where in that. */
export interface Place {
  readonly source: Node
  readonly path: string
  /** Set when it is a directory that is mounted there. */
  readonly mount?: SourceMount
}

/**
 * What is seen at a path: the filesystem, or a directory that is mounted over it.
 *
 * @throws MoorageError INVALID_OPTION for what is no part of the container: a cache volume, memory, a path in a file
 */
export function placeOf(
  { filesystem, mounts }: { filesystem: Node; mounts: readonly DescribedMount[] },
  what: string,
  given: string,
): Place {
  const path = containerPath(what, given)
  const over = mounts
    .filter((mount) => isWithin(path, normalPath(mount.path)))
    .sort((a, b) => b.path.length - a.path.length)[0]
  if (over === undefined) return { source: filesystem, path }
  if (over.type === 'directory') {
    const inner = path.slice(over.path.length) || '/'
    return { source: over.source, path: normalPath(inner), mount: { ...over, type: 'directory' } }
  }
  const kinds = { cache: 'a cache volume', temp: 'a directory in memory', file: 'a file' }
  throw new MoorageError('INVALID_OPTION', {
    option: `${what} "${given}"`,
    reason: `${over.path} is ${kinds[over.type]} that is mounted there, and no part of the container`,
  })
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}
