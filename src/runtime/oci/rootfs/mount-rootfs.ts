import { existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { mountOverlay, umount } from '../../../kernel/index.ts'
import type { ContainerSpec } from '../../runtime.ts'
import {
  type Attributes,
  attributesAbove,
  giveAttributes,
  makeMountPoints,
  missingPoints,
} from './mount-points.ts'
import type { ReadyMount } from './mounts.ts'
import { isDirectoryMount, type MountPoint, placeMounts } from './place-mounts.ts'

/** A container's root filesystem, mounted in this process's mount namespace. */
export interface Rootfs {
  readonly path: string
  /** The directory beside the upper: it holds the work directory and the mount points. */
  readonly overlay: string
  /** Its mounts, in the order in which they are made, at destinations without links. */
  readonly mounts: readonly ReadyMount[]
  unmount(): void
  /** Removes that directory; after `unmount`. */
  remove(): Promise<void>
}

/**
 * Mounts the overlay of a container at `target`, which exists, and finds where its mounts go.
 *
 * The lowest layer is a directory with every mount point in it: so the OCI runtime makes none, and none is left in the
 * upper directory to be stored with a result. It is on the upper's filesystem, because an overlay of two filesystems has
 * other inode numbers. Only the mounted overlay can tell where a path with a link in it leads, and whether a removed
 * directory hides a mount point: then it is mounted again, with what was missing.
 *
 * @throws MoorageError INVALID_DEFINITION for a mount that cannot be made
 */
export function mountRootfs(spec: ContainerSpec, target: string, mounts: readonly ReadyMount[]): Rootfs {
  const overlay = overlayDirectory(spec.upper)
  const mount = (points: readonly MountPoint[], above?: readonly Attributes[]) => {
    mkdirSync(overlay, { mode: 0o700 })
    const work = join(overlay, 'work')
    mkdirSync(work)
    const layer = makeMountPoints(join(overlay, 'mount-points'), points)
    if (above !== undefined) giveAttributes(layer, above)
    const lowers = above === undefined ? [...spec.lowers, layer] : [layer, ...spec.lowers]
    mountOverlay({ lowers, upper: spec.upper, work, target, volatile: true })
  }
  const unmount = () => {
    umount(target)
    rmSync(overlay, { recursive: true })
  }
  try {
    mount(
      mounts.map((mount) => ({
        path: mount.destination,
        isDirectory: isDirectoryMount(mount),
        ...(mount.type === 'temporary' ? { mode: 0o1777 } : {}),
      })),
    )
  } catch (error) {
    rmSync(overlay, { recursive: true, force: true })
    // The kernel does not say which directory is missing.
    const missing = [...spec.lowers, spec.upper].find((directory) => !existsSync(directory))
    throw missing === undefined ? error : new Error(`the layer ${missing} does not exist`, { cause: error })
  }
  try {
    const placed = placeMounts(target, mounts, spec.image)
    if (missingPoints(target, placed.points).length > 0) {
      unmount()
      mount(placed.points)
    }
    const hidden = missingPoints(target, placed.points)
    if (hidden.length > 0) {
      const above = attributesAbove(target, placed.points)
      unmount()
      mount(placed.points, above)
    }
    return {
      path: target,
      overlay,
      mounts: placed.mounts,
      unmount: () => umount(target),
      remove: () => removeOverlay(overlay),
    }
  } catch (error) {
    unmount()
    throw error
  }
}

function overlayDirectory(upper: string): string {
  return `${upper}.overlay`
}

/** Removes the directory beside an upper, from which nothing is mounted any more. */
export async function removeOverlay(overlay: string): Promise<void> {
  await rm(overlay, { recursive: true, force: true })
}

/** Removes a mount point. An error means that it is still mounted; then nothing below it may be touched. */
export function removeMountTarget(target: string): void {
  try {
    rmdirSync(target)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
