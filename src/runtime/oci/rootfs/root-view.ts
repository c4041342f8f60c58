import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { join, normalize } from 'node:path'
import { KernelError, O_PATH, openInRoot } from '../../../kernel/index.ts'
import type { ReadyMount } from './mounts.ts'

/** The status of something in a container's filesystem, as far as anybody asks. */
export type FileStatus = Pick<
  Stats,
  'mode' | 'uid' | 'gid' | 'size' | 'mtimeMs' | 'isDirectory' | 'isFile' | 'isSymbolicLink'
>

/** A regular file found in a container's root filesystem. */
export interface RootFile {
  readonly stat: FileStatus
  readonly fd: number
  /** Reads bytes; fewer than `length` at the end. */
  read(position: number, length: number): Buffer
}

/** The end of a walk along a path. `path` has no link in it. */
export type Walk =
  | { readonly outcome: 'found'; readonly path: string; readonly stat: FileStatus }
  /** Nothing is there: `path` is where it would be made. `dangling`: the missing name is a link's. */
  | { readonly outcome: 'absent'; readonly path: string; readonly dangling: boolean }
  /** `path` is in the way: no directory, or one that may not be searched. */
  | { readonly outcome: 'not a directory'; readonly path: string }
  | { readonly outcome: 'denied'; readonly path: string }
  | { readonly outcome: 'loop'; readonly path: string }

/** Decides whether a directory may be searched. */
export type MaySearch = (stat: FileStatus, fd: number | undefined) => boolean

/** The kernel follows as many links in one path (path_resolution(7)). */
const mostLinks = 40

/** Names in a path, links in it included, beyond which it is a loop. PATH_MAX allows 2,048 of one letter. */
const mostNames = 10_000

/** Something on the way: its descriptor, or none where it is the root of an empty directory in memory. */
interface Place {
  readonly fd: number | undefined
  readonly stat: FileStatus
}

interface Mounted {
  readonly names: readonly string[]
  /** A mount without a descriptor, such as an empty tmpfs, holds no files. */
  readonly root: Place
}

/**
 * Shows a container's files as it will see them, before it runs: its root filesystem, and its mounts at their
 * destinations. Each path is walked name by name, as path_resolution(7) says; links lead from one mount into another,
 * and no link and no `..` leads out.
 */
export class RootView implements Disposable {
  /** The first is the root filesystem. Of several at one place the last covers the others. */
  readonly #mounts: Mounted[] = []

  /** @param mounts - in the order in which they are mounted, at destinations without links */
  constructor(rootfs: string, mounts: readonly ReadyMount[]) {
    this.#add('/', openPlace(rootfs))
    try {
      for (const mount of mounts) this.mount(mount)
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** Shows one more mount, at a destination without links. */
  mount(mount: ReadyMount): void {
    const root = mount.type === 'bind' ? openPlace(mount.source) : emptyDirectory
    this.#add(mount.destination, root)
  }

  #add(destination: string, root: Place): void {
    this.#mounts.push({ names: namesOf(normalize(destination)), root })
  }

  /** Returns the status of an absolute path; undefined if nothing is there. */
  stat(path: string): FileStatus | undefined {
    const walk = this.walk(path)
    return walk.outcome === 'found' ? walk.stat : undefined
  }

  /** Walks along an absolute path, through every link. @param maySearch - asked of each directory on the way */
  walk(path: string, maySearch?: MaySearch): Walk {
    return this.#walk(path, maySearch, (walk) => walk)
  }

  /** Calls `use` with the regular file at a path; returns undefined if there is none. */
  file<T>(path: string, use: (file: RootFile) => T): T | undefined {
    return this.#walk(path, undefined, (_walk, place) => {
      // Only a regular file is opened: opening a device or a pipe has effects.
      if (place?.fd === undefined || !place.stat.isFile()) return undefined
      const opened = openSync(`/proc/self/fd/${place.fd}`, constants.O_RDONLY)
      try {
        return use({
          stat: place.stat,
          fd: opened,
          read: (position, length) => readAt(opened, position, length),
        })
      } finally {
        closeSync(opened)
      }
    })
  }

  [Symbol.dispose](): void {
    for (const { root } of this.#mounts) close(root)
    this.#mounts.length = 0
  }

  /** @param use - gets what was found, which is open until it returns */
  #walk<T>(path: string, maySearch: MaySearch | undefined, use: (walk: Walk, place?: Place) => T): T {
    let at: string[] = []
    let place = this.#open(at) as Place
    const ahead = namesOf(path).reverse()
    let links = 0
    let steps = 0
    /** As many of the names ahead are the path's own; those above are of links. */
    let own = ahead.length
    try {
      for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
        const here = pathOf(at)
        if (!place.stat.isDirectory()) return use({ outcome: 'not a directory', path: here })
        if (maySearch !== undefined && !maySearch(place.stat, place.fd))
          return use({ outcome: 'denied', path: here })
        if (++steps > mostNames) return use({ outcome: 'loop', path: here })
        const names = name === '..' ? at.slice(0, -1) : [...at, name]
        const next = this.#open(names)
        if (next === undefined) {
          const dangling = ahead.length >= own
          const missing = normalize(join('/', ...names, ...ahead.reverse()))
          return use({ outcome: 'absent', path: missing, dangling })
        }
        const target = next.stat.isSymbolicLink() ? linkOf(place, name) : undefined
        if (target === undefined) {
          this.#leave(place)
          place = next
          at = names
          continue
        }
        this.#leave(next)
        if (++links > mostLinks) return use({ outcome: 'loop', path: pathOf(names) })
        own = Math.min(own, ahead.length)
        ahead.push(...namesOf(target).reverse())
        if (!target.startsWith('/')) continue
        this.#leave(place)
        at = []
        place = this.#open(at) as Place
      }
      return use({ outcome: 'found', path: pathOf(at), stat: place.stat }, place)
    } finally {
      this.#leave(place)
    }
  }

  /** Opens a path whose names are no links, but for the last; undefined where nothing is. */
  #open(names: readonly string[]): Place | undefined {
    const mounted = this.#mounts.findLast((mount) =>
      mount.names.every((name, index) => name === names[index]),
    )
    // A deeper mount that came earlier is covered by this one.
    if (mounted === undefined) return undefined
    const below = names.slice(mounted.names.length)
    if (below.length === 0) return mounted.root
    // Directories above a mount point are made with it.
    const above = this.#mounts.some((mount) => names.every((name, index) => name === mount.names[index]))
    const otherwise = above ? emptyDirectory : undefined
    if (mounted.root.fd === undefined) return otherwise
    try {
      const fd = openInRoot(mounted.root.fd, pathOf(below), O_PATH | constants.O_NOFOLLOW)
      return { fd, stat: fstatSync(fd) }
    } catch (error) {
      const absent = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EINVAL']
      if (error instanceof KernelError && absent.includes(error.errno)) return otherwise
      throw error
    }
  }

  /** Closes what is open, unless it is the root of a mount. */
  #leave(place: Place): void {
    if (!this.#mounts.some(({ root }) => root === place)) close(place)
  }
}

const emptyDirectory: Place = {
  fd: undefined,
  stat: {
    mode: 0o1777,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeMs: 0,
    isDirectory: () => true,
    isFile: () => false,
    isSymbolicLink: () => false,
  },
}

function openPlace(path: string): Place {
  const fd = openSync(path, O_PATH)
  return { fd, stat: fstatSync(fd) }
}

function close({ fd }: Place): void {
  if (fd !== undefined) closeSync(fd)
}

/** Reads a link by way of its directory: of a link itself Node reads none by descriptor. */
function linkOf(directory: Place, name: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${directory.fd}/${name}`)
  } catch (error) {
    // A running container may have put something else there meanwhile.
    if (['EINVAL', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

function pathOf(names: readonly string[]): string {
  return `/${names.join('/')}`
}

function readAt(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length)
  return buffer.subarray(0, readSync(fd, buffer, 0, length, position))
}
