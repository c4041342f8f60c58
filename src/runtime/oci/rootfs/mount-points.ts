import { chmodSync, chownSync, closeSync, constants, mkdirSync, openSync, utimesSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { KernelError, O_PATH, openInRoot, openRoot } from '../../../kernel/index.ts'
import { defaultMounts } from './mounts.ts'
import type { MountPoint } from './place-mounts.ts'
import { RootView } from './root-view.ts'

/** Makes a layer with mount points at these paths, and the directories above them. */
export function makeMountPoints(directory: string, points: readonly MountPoint[]): string {
  mkdirSync(directory, { mode: 0o755 })
  for (const { destination } of defaultMounts) {
    // Mount points below /dev are made in the tmpfs that covers it.
    if (!destination.startsWith('/dev/')) makeMountPoint(directory, { path: destination, isDirectory: true })
  }
  for (const point of points) makeMountPoint(directory, point)
  return directory
}

function makeMountPoint(root: string, { path: destination, isDirectory, mode }: MountPoint): void {
  // Absolute, then normal: `..` does not lead out.
  const path = join(root, normalize(join('/', destination)))
  try {
    mkdirSync(isDirectory ? path : dirname(path), { recursive: true, mode: 0o755 })
    // Where nothing is below a directory in memory, this is what it takes its mode from.
    if (mode !== undefined) chmodSync(path, mode)
    if (!isDirectory) closeSync(openSync(path, 'a', 0o644))
  } catch (error) {
    // Two mount points that exclude each other: `placeMounts` says which.
    const excluding = ['EEXIST', 'ENOTDIR', 'EISDIR']
    if (!excluding.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** Returns those of the mount points that are not in a mounted root filesystem. */
export function missingPoints(rootfs: string, points: readonly MountPoint[]): MountPoint[] {
  const root = openRoot(rootfs)
  try {
    return points.filter(({ path }) => !isThere(root, path))
  } finally {
    closeSync(root)
  }
}

function isThere(root: number, path: string): boolean {
  try {
    closeSync(openInRoot(root, path, O_PATH | constants.O_NOFOLLOW))
    return true
  } catch (error) {
    if (error instanceof KernelError) return false
    throw error
  }
}

/** A directory with what a copy of it must have. */
export interface Attributes {
  readonly path: string
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly mtimeMs: number
}

/**
 * Reads the attributes of the directories above some mount points: a layer of mount points on top of the others hides those
 * below.
 */
export function attributesAbove(rootfs: string, points: readonly MountPoint[]): Attributes[] {
  using view = new RootView(rootfs, [])
  const paths = new Set(points.flatMap(({ path }) => directoriesAbove(path)))
  return [...paths].flatMap((path) => {
    const stat = view.stat(path)
    if (stat === undefined) return []
    const { uid, gid, mode, mtimeMs } = stat
    return [{ path, uid, gid, mode, mtimeMs }]
  })
}

function directoriesAbove(path: string): string[] {
  const above = dirname(path)
  return above === '/' ? [] : [...directoriesAbove(above), above]
}

/** Gives the directories of a layer of mount points their attributes. */
export function giveAttributes(layer: string, attributes: readonly Attributes[]): void {
  // The deepest first: a change in a directory is not one of it.
  for (const { path, uid, gid, mode, mtimeMs } of attributes.toReversed()) {
    const place = join(layer, path)
    chownSync(place, uid, gid)
    chmodSync(place, mode & 0o7777)
    utimesSync(place, mtimeMs / 1000, mtimeMs / 1000)
  }
}
