import { existsSync, statSync } from 'node:fs'
import { moorageError } from '../../../errors/index.ts'
import type { TemporaryMount } from '../../runtime.ts'
import { defaultMounts, type ReadyMount } from './mounts.ts'
import { type FileStatus, RootView, type Walk } from './root-view.ts'

/** The mounts of a container in the order in which they are made, at destinations without links. */
export interface PlacedMounts {
  readonly mounts: readonly ReadyMount[]
  /** Those mount points that are in the root filesystem itself, in no other mount. */
  readonly points: readonly MountPoint[]
}

export interface MountPoint {
  readonly path: string
  readonly isDirectory: boolean
  /** Of a directory. @defaultValue 755 */
  readonly mode?: number
}

/** The kernel makes all that is in these. */
const kernelDirectories = ['/proc', '/sys']

/**
 * Finds where each mount goes, as mount(2) would: through the links of the root filesystem and of the mounts before it. The
 * OCI runtime follows no link then, and makes no mount point in what a link leads to.
 *
 * @param image - for messages
 * @throws MoorageError INVALID_DEFINITION for a mount that cannot be made
 */
export function placeMounts(rootfs: string, mounts: readonly ReadyMount[], image: string): PlacedMounts {
  using view = new RootView(rootfs, viewedDefaults())
  // By where each leads, so that one inside another comes after it.
  const ordered = mounts
    .map((mount) => ({ mount, at: destinationOf(view, mount, image) }))
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  const placed: ReadyMount[] = []
  const points: MountPoint[] = []
  for (const { mount } of ordered) {
    const destination = destinationOf(view, mount, image)
    const isCovered = [...defaultMounts, ...placed].some((other) =>
      destination.startsWith(`${other.destination}/`),
    )
    if (!isCovered) points.push({ path: destination, isDirectory: isDirectoryMount(mount) })
    const below = view.stat(destination)
    const ready =
      mount.type === 'temporary' ? { ...like(below, mount), destination } : { ...mount, destination }
    view.mount(ready)
    placed.push(ready)
  }
  return { mounts: placed, points }
}

/** Returns the mounts that every container has, as `RootView` shows them: what the kernel puts there it does not know. */
export function viewedDefaults(): ReadyMount[] {
  return defaultMounts.map(({ destination }) => ({ type: 'temporary', destination }))
}

/** Tells a mount of a directory from that of a file. */
export function isDirectoryMount(mount: ReadyMount): boolean {
  return mount.type === 'temporary' || statSync(mount.source).isDirectory()
}

function destinationOf(view: RootView, mount: ReadyMount, image: string): string {
  const walk = view.walk(mount.destination)
  const reason = problemOf(walk, mount, image)
  if (reason === undefined) return walk.path
  throw moorageError('INVALID_DEFINITION', { reason: `the mount at ${mount.destination}: ${reason}` })
}

function problemOf(walk: Walk, mount: ReadyMount, image: string): string | undefined {
  const { outcome, path } = walk
  if (outcome === 'loop') return `${path} in ${image} is a loop of links`
  if (outcome === 'not a directory') return `${path} in ${image} is not a directory`
  if (path === '/') return 'it leads to the root of the filesystem'
  const wanted = isDirectoryMount(mount)
  if (outcome === 'found' && walk.stat.isDirectory() !== wanted) {
    return wanted
      ? `a directory cannot be mounted on ${path} in ${image}, which is a file`
      : `a file cannot be mounted on ${path} in ${image}, which is a directory`
  }
  const kernels = kernelDirectories.find((directory) => path.startsWith(`${directory}/`))
  // The host's own is much like it, but for processes.
  if (kernels !== undefined && !existsSync(path)) return `nothing can be made in ${kernels}`
  return undefined
}

/** Gives a directory in memory the owner and the mode of the one that it covers, unless it was told others. */
function like(below: FileStatus | undefined, mount: TemporaryMount): TemporaryMount {
  if (below === undefined) return mount
  return { owner: `${below.uid}:${below.gid}`, mode: below.mode & 0o7777, ...mount }
}
