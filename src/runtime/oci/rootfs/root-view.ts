import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { join, normalize } from 'node:path'
import { KernelError, O_PATH, openInRoot } from '../../../kernel/index.ts'
import { inMountOrder, type ReadyMount } from './mounts.ts'

/** A regular file found in a container's root filesystem. */
export interface RootFile {
  readonly stat: Stats
  /** Reads bytes; fewer than `length` at the end. */
  read(position: number, length: number): Buffer
}

/**
 * Shows a container's files as it will see them, before it runs: its root filesystem, and its mounts at their
 * destinations. No link and no `..` leads out of either. A link from one into the other is not followed.
 */
export class RootView implements Disposable {
  /** A mount without a descriptor, such as an empty tmpfs, holds no files. */
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

  /** Returns the status of an absolute path; undefined if nothing is there. */
  stat(path: string): Stats | undefined {
    return this.#with(path, (fd) => fstatSync(fd))
  }

  /** Calls `use` with the regular file at a path; returns undefined if there is none. */
  file<T>(path: string, use: (file: RootFile) => T): T | undefined {
    return this.#with(path, (fd) => {
      const stat = fstatSync(fd)
      // Only a regular file is opened: opening a device or a pipe has effects.
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
