import { chmodSync, chownSync, closeSync, mkdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { mountOverlay, O_PATH, openInRoot, openRoot, umount } from '../../../kernel/index.ts'
import type { ContainerMount, LayersMount } from '../../runtime.ts'
import type { ReadyMount } from '../container/config.ts'
import { removeMountTarget } from './mount-rootfs.ts'

/** The stored filesystems that a container has files or directories of, each mounted below a directory of its bundle. */
export class LayerMounts {
  readonly #directory: string
  readonly #targets: string[] = []
  #mounted = 0

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Mounts what has to be, and says what is left for the OCI runtime to do. */
  ready(mounts: readonly ContainerMount[]): ReadyMount[] {
    return mounts.map((mount): ReadyMount => {
      if (mount.type !== 'layers') return mount
      const { destination } = mount
      return { type: 'bind', source: this.#mount(mount), destination, readonly: false }
    })
  }

  #mount({ lowers, scratch, paths }: LayersMount): string {
    const target = join(this.#directory, String(this.#targets.length))
    mkdirSync(target, { recursive: true, mode: 0o700 })
    this.#targets.push(target)
    const upper = join(scratch, 'upper')
    const work = join(scratch, 'work')
    mkdirSync(upper)
    mkdirSync(work)
    likeRoot(upper, lowers[0])
    mountOverlay({ lowers, upper, work, target, volatile: true })
    this.#mounted += 1
    return placeOf(target, paths)
  }

  unmount(): void {
    for (; this.#mounted > 0; this.#mounted -= 1) umount(this.#targets[this.#mounted - 1] as string)
  }

  /** The mount points; after `unmount`. */
  remove(): void {
    for (const target of this.#targets) removeMountTarget(target)
  }
}

/** An overlay's root has the mode and the owner of its upper. */
function likeRoot(upper: string, top: string | undefined): void {
  if (top === undefined) return
  const { mode, uid, gid } = statSync(top)
  chownSync(upper, uid, gid)
  chmodSync(upper, mode & 0o7777)
}

/** Where the last of some paths is, with no link in it: the OCI runtime would follow one out of the mount. */
function placeOf(target: string, paths: readonly string[]): string {
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
