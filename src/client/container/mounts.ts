import { normalPath, ownerProblem, type Sharing } from '../../definition/index.ts'
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

export interface TempOptions {
  /** Its capacity in bytes. @defaultValue half of the memory */
  size?: number
  /** `uid` or `uid:gid`, as numbers. @defaultValue that of the directory below, else root */
  owner?: string
  /** @defaultValue that of the directory below, else 0o1777 */
  mode?: number
}

/** @throws MoorageError INVALID_OPTION */
export function tempMount(path: string, { size, owner, mode }: TempOptions): DescribedMount {
  if (size !== undefined && !(Number.isSafeInteger(size) && size > 0)) {
    throw new MoorageError('INVALID_OPTION', { option: `size ${size}`, reason: 'it is a number of bytes' })
  }
  const reason = owner === undefined ? undefined : ownerProblem(owner)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `owner "${owner}"`, reason })
  if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o7777)) {
    throw new MoorageError('INVALID_OPTION', {
      option: `mode ${mode}`,
      reason: 'it is a number from 0 to 0o7777',
    })
  }
  return { type: 'temp', path: mountPath(path), ...withoutUndefined({ size, owner, mode }) }
}

/** A path at which something may be mounted. @throws MoorageError INVALID_OPTION */
function mountPath(path: string): string {
  const normal = containerPath('mount', path)
  if (normal !== '/') return normal
  const reason = 'nothing can be mounted at the root of the filesystem; withRootfs() replaces it'
  throw new MoorageError('INVALID_OPTION', { option: `mount "${path}"`, reason })
}
