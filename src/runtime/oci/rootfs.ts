import { closeSync, mkdirSync, openSync, rmdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { mountOverlay, umount } from '../../../netns/kernel/index.ts'
import type { ContainerSpec } from '../runtime.ts'
import { inMountOrder } from './bundle.ts'
import { kernelMounts } from './container-defaults.ts'

/** A container's root filesystem, mounted in this process's mount namespace. */
export interface Rootfs {
  readonly path: string
  /** The directory beside the upper that holds the rest. */
  readonly overlay: string
  unmount(): void
  /** Removes what stands beside the upper; after `unmount`. */
  remove(): Promise<void>
}

/**
 * Mounts the overlay of a container at `target`, which exists.
 *
 * Lowest of all lies a directory with every mount point in it: so the OCI runtime has none to make, and nothing of the
 * kind is left in the upper directory to be stored with a result. It is on the upper's filesystem, because an overlay of
 * two filesystems has other inode numbers.
 */
export function mountRootfs(spec: ContainerSpec, target: string): Rootfs {
  const overlay = overlayDirectory(spec.upper)
  const mountPoints = join(overlay, 'mount-points')
  const work = join(overlay, 'work')
  mkdirSync(overlay, { mode: 0o700 })
  mkdirSync(work)
  mkdirSync(mountPoints, { mode: 0o755 })
  for (const { destination } of kernelMounts) {
    if (!destination.startsWith('/dev/')) makeMountPoint(mountPoints, destination, true)
  }
  for (const { source, destination } of inMountOrder(spec.mounts)) {
    makeMountPoint(mountPoints, destination, statSync(source).isDirectory())
  }
  mountOverlay({ lowers: [...spec.lowers, mountPoints], upper: spec.upper, work, target, volatile: true })
  return {
    path: target,
    overlay,
    unmount: () => umount(target),
    remove: () => removeOverlay(overlay),
  }
}

export function overlayDirectory(upper: string): string {
  return `${upper}.overlay`
}

/** Removes what stood beside an upper; nothing is mounted from it any more. */
export async function removeOverlay(overlay: string): Promise<void> {
  await rm(overlay, { recursive: true, force: true })
}

/** The mount point itself; an error here means that it is still mounted, and then nothing below it may be touched. */
export function removeMountTarget(target: string): void {
  try {
    rmdirSync(target)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function makeMountPoint(root: string, destination: string, isDirectory: boolean): void {
  // Normal and absolute first: `..` does not lead out.
  const path = join(root, normalize(join('/', destination)))
  if (isDirectory) mkdirSync(path, { recursive: true, mode: 0o755 })
  else {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
    closeSync(openSync(path, 'a', 0o644))
  }
}
