import { normalPath, type Sharing } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { CacheVolume } from '../graph/cache-volume.ts'
import type { DescribedMount } from '../graph/exec-node.ts'
import type { Node } from '../graph/graph.ts'
import { containerPath } from '../graph/path.ts'

/** Adds a mount; it replaces one at the same path. */
export function withMount(mounts: readonly DescribedMount[], added: DescribedMount): DescribedMount[] {
  return [...mounts.filter((mount) => normalPath(mount.path) !== normalPath(added.path)), added]
}

/** @throws MoorageError INVALID_OPTION */
export function cacheMount(path: string, volume: CacheVolume, sharing: Sharing = 'shared'): DescribedMount {
  mountPath(path)
  return { type: 'cache', path, volume, sharing }
}

/** @throws MoorageError INVALID_OPTION */
export function partMount(type: 'directory' | 'file', path: string, source: Node): DescribedMount {
  return { type, path: mountPath(path), source }
}

/** @throws MoorageError INVALID_OPTION */
export function tempMount(path: string, size: number | undefined): DescribedMount {
  if (size !== undefined && !(Number.isSafeInteger(size) && size > 0)) {
    throw new MoorageError('INVALID_OPTION', { option: `size ${size}`, reason: 'it is a number of bytes' })
  }
  return { type: 'temp', path: mountPath(path), ...withoutUndefined({ size }) }
}

/** A path at which something may be mounted. @throws MoorageError INVALID_OPTION */
function mountPath(path: string): string {
  const normal = containerPath('mount', path)
  if (normal !== '/') return normal
  const reason = 'nothing can be mounted at the root of the filesystem; withRootfs() replaces it'
  throw new MoorageError('INVALID_OPTION', { option: `mount "${path}"`, reason })
}
