import { closeSync, existsSync, mkdirSync, openSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { mountOverlay, umount } from '../../../kernel/index.ts'
import type { ContainerSpec } from '../../runtime.ts'
import { defaultMounts, inMountOrder, type ReadyMount } from './mounts.ts'

/** A container's root filesystem, mounted in this process's mount namespace. */
export interface Rootfs {
  readonly path: string
  /** The directory beside the upper: it holds the work directory and the mount points. */
  readonly overlay: string
  unmount(): void
  /** Removes that directory; after `unmount`. */
  remove(): Promise<void>
}

/**
 * Mounts the overlay of a container at `target`, which exists.
 *
 * The lowest layer is a directory with every mount point in it: so the OCI runtime makes none, and none is left in the
 * upper directory to be stored with a result. It is on the upper's filesystem, because an overlay of two filesystems has
 * other inode numbers.
 */
export function mountRootfs(spec: ContainerSpec, target: string, mounts: readonly ReadyMount[]): Rootfs {
  const overlay = overlayDirectory(spec.upper)
  mkdirSync(overlay, { mode: 0o700 })
  try {
    const work = join(overlay, 'work')
    mkdirSync(work)
    const lowers = [...spec.lowers, makeMountPoints(mounts, join(overlay, 'mount-points'))]
    mountOverlay({ lowers, upper: spec.upper, work, target, volatile: true })
  } catch (error) {
    rmSync(overlay, { recursive: true })
    // The kernel does not say which directory is missing.
    const missing = [...spec.lowers, spec.upper].find((directory) => !existsSync(directory))
    throw missing === undefined ? error : new Error(`the layer ${missing} does not exist`, { cause: error })
  }
  return {
    path: target,
    overlay,
    unmount: () => umount(target),
    remove: () => removeOverlay(overlay),
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

function makeMountPoints(mounts: readonly ReadyMount[], directory: string): string {
  mkdirSync(directory, { mode: 0o755 })
  for (const { destination } of defaultMounts) {
    // Mount points below /dev are made in the tmpfs that covers it.
    if (!destination.startsWith('/dev/')) makeMountPoint(directory, destination, true)
  }
  for (const mount of inMountOrder(mounts)) {
    const isDirectory = mount.type === 'temporary' || statSync(mount.source).isDirectory()
    makeMountPoint(directory, mount.destination, isDirectory)
  }
  return directory
}

function makeMountPoint(root: string, destination: string, isDirectory: boolean): void {
  // Absolute, then normal: `..` does not lead out.
  const path = join(root, normalize(join('/', destination)))
  if (isDirectory) mkdirSync(path, { recursive: true, mode: 0o755 })
  else {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
    closeSync(openSync(path, 'a', 0o644))
  }
}
