import { chmodSync, chownSync, closeSync, mkdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { mountOverlay, O_PATH, openInRoot, openRoot, umount } from '../../../kernel/index.ts'
import type { ContainerMount, LayersMount } from '../../runtime.ts'
import { removeMountTarget } from './mount-rootfs.ts'
import type { ReadyMount } from './mounts.ts'

/** Stored filesystems from which a container gets files or directories, each mounted below a directory of its bundle. */
export class LayerMounts {
  readonly #directory: string
  readonly #targets: string[] = []
  #mounted = 0

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Mounts the stored filesystems; returns all mounts as the OCI runtime can make them. */
  mount(mounts: readonly ContainerMount[]): ReadyMount[] {
    return mounts.map((mount): ReadyMount => {
      if (mount.type !== 'layers') return mount
      const { destination } = mount
      return { type: 'bind', source: this.#mountLayers(mount), destination, readonly: false }
    })
  }

  #mountLayers({ lowers, scratch, paths }: LayersMount): string {
    const target = join(this.#directory, String(this.#targets.length))
    mkdirSync(target, { recursive: true, mode: 0o700 })
    this.#targets.push(target)
    const upper = join(scratch, 'upper')
    const work = join(scratch, 'work')
    mkdirSync(upper)
    mkdirSync(work)
    copyOwnerAndMode(lowers[0], upper)
    mountOverlay({ lowers, upper, work, target, volatile: true })
    this.#mounted += 1
    return resolvePaths(target, paths)
  }

  unmount(): void {
    for (; this.#mounted > 0; this.#mounted -= 1) umount(this.#targets[this.#mounted - 1] as string)
  }

  /** Removes the mount points; after `unmount`. */
  remove(): void {
    for (const target of this.#targets) removeMountTarget(target)
  }
}

/** Gives the upper the owner and the mode of the topmost layer: an overlay's root has those of its upper. */
function copyOwnerAndMode(topLayer: string | undefined, upper: string): void {
  if (topLayer === undefined) return
  const { mode, uid, gid } = statSync(topLayer)
  chownSync(upper, uid, gid)
  chmodSync(upper, mode & 0o7777)
}

/** Resolves the last of some paths to one without links: the OCI runtime would follow a link out of the mount. */
function resolvePaths(target: string, paths: readonly string[]): string {
  let fd = openRoot(target)
  try {
    for (const path of paths) {
      const next = openInRoot(fd, path, O_PATH)
      closeSync(fd)
      fd = next
    }
    return readlinkSync(`/proc/self/fd/${fd}`)
  } finally {
    closeSync(fd)
  }
}
