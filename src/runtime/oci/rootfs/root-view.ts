import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { join, normalize } from 'node:path'
import { KernelError, O_PATH, openInRoot } from '../../../kernel/index.ts'
import { inMountOrder, type ReadyMount } from '../container/config.ts'

/** A regular file found in a container's root filesystem. */
export interface RootFile {
  readonly stat: Stats
  /** Some of its bytes; fewer at its end. */
  read(position: number, length: number): Buffer
}

/**
 * A container's files as it will see them, before it runs: its root filesystem, and its mounts by their destinations.
 * No link and no `..` leads out of either. A link from one into the other is not followed.
 */
export class RootView implements Disposable {
  /** Nothing is behind a descriptor that is not there. */
  readonly #roots: { destination: string; fd: number | undefined }[]

  constructor(rootfs: string, mounts: readonly ReadyMount[]) {
    const sources = [
      { source: rootfs, destination: '/' },
      ...inMountOrder(mounts).map((mount) => ({
        source: mount.type === 'bind' ? mount.source : undefined,
        destination: mount.destination,
      })),
    ]
    // The deepest first, as lookups need them.
    this.#roots = sources.reverse().map(({ source, destination }) => ({
      destination: normalize(destination),
      fd: source === undefined ? undefined : openSync(source, O_PATH),
    }))
  }

  /** What is at an absolute path; nothing where there is nothing. */
  stat(path: string): Stats | undefined {
    return this.#with(path, (fd) => fstatSync(fd))
  }

  /** Hands the regular file at a path to `use`; nothing where there is none. */
  file<T>(path: string, use: (file: RootFile) => T): T | undefined {
    return this.#with(path, (fd) => {
      const stat = fstatSync(fd)
      // Only what is known to be a regular file is opened: opening a device or a pipe has effects.
      if (!stat.isFile()) return undefined
      const opened = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY)
      try {
        return use({ stat, read: (position, length) => readAt(opened, position, length) })
      } finally {
        closeSync(opened)
      }
    })
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#roots) if (fd !== undefined) closeSync(fd)
  }

  #with<T>(path: string, use: (fd: number) => T): T | undefined {
    const absolute = normalize(join('/', path))
    for (const { destination, fd: root } of this.#roots) {
      const below = destination === '/' ? absolute : beneath(absolute, destination)
      if (below === undefined) continue
      if (root === undefined) return undefined
      const fd = openUnder(root, below)
      if (fd === undefined) return undefined
      try {
        return use(fd)
      } finally {
        if (fd !== root) closeSync(fd)
      }
    }
    return undefined
  }
}

function beneath(path: string, directory: string): string | undefined {
  if (path === directory) return ''
  return path.startsWith(`${directory}/`) ? path.slice(directory.length) : undefined
}

function openUnder(root: number, path: string): number | undefined {
  // A mounted file is its own root.
  if (path === '') return root
  try {
    return openInRoot(root, path, O_PATH)
  } catch (error) {
    const absent = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES']
    if (error instanceof KernelError && absent.includes(error.errno)) return undefined
    throw error
  }
}

function readAt(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length)
  return buffer.subarray(0, readSync(fd, buffer, 0, length, position))
}
