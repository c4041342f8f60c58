import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  type Stats,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import { KernelError, O_PATH, openInRoot, openOverlay } from '../../kernel/index.ts'
import type { EngineContext } from '../context.ts'
import { type PlannedFetch, type PlannedFile, type PlannedFilesystem, rootOf } from '../plan/planned.ts'

/** Something in a tree, by a descriptor. `path` leads to it as long as the descriptor is open. */
export interface Found extends Disposable {
  readonly fd: number
  readonly path: string
  readonly stat: Stats
}

/**
 * A stored filesystem as a container would see it, but mounted nowhere: neither links nor `..` lead out of it, no
 * device in it can be opened, and no set-user-id bit counts.
 */
export interface Tree extends Disposable {
  /**
   * Opens what is at the last of some paths, each of which begins at the directory that the one before leads to.
   * Links are followed.
   *
   * @throws MoorageError PATH_NOT_FOUND, PATH_UNSUITABLE
   */
  find(paths: readonly string[], expected: { name: string; kind: 'file' | 'directory' }): Found
  /** Opens whatever is at a path, the link itself if it is one; undefined if there is nothing. */
  entry(path: string): Found | undefined
  /** Opens a directory, and makes it with those above it if need be. @throws MoorageError PATH_UNSUITABLE */
  directory(path: string, name: string): Found & { readonly isNew: boolean }
}

/** Where a layer is made: two directories of a temporary one. */
export interface LayerPlace {
  /** Becomes the layer. */
  readonly layer: string
  /** The kernel's work directory, while `layer` is the upper directory of an overlay. */
  readonly work: string
}

/** Opens the tree that layers make, topmost first. Changes go to `place`; without it the tree is read only. */
export function openTree(
  { store }: Pick<EngineContext, 'store'>,
  layers: readonly string[],
  place?: LayerPlace,
): Tree {
  const limits = { noSuid: true, noDevices: true, noExec: true }
  if (place === undefined) {
    // Never a layer alone, which is no overlay: its whiteouts would be seen as character devices.
    const lowers = layers.length === 0 ? [store.empty] : [...layers, store.empty]
    return new OpenTree(openOverlay({ lowers, ...limits, readOnly: true }))
  }
  makeUpper(place, layers[0])
  const lowers = layers.length === 0 ? [store.empty] : layers
  return new OpenTree(
    openOverlay({ lowers, upper: place.layer, work: place.work, volatile: true, ...limits }),
  )
}

/**
 * Makes the upper directory. Its mode and owner become those of the overlay's root, so it gets those of the layer
 * below.
 */
function makeUpper({ layer, work }: LayerPlace, top: string | undefined): void {
  mkdirSync(work)
  mkdirSync(layer, { mode: 0o755 })
  if (top === undefined) return
  const { mode, uid, gid } = statSync(top)
  chownSync(layer, uid, gid)
  chmodSync(layer, mode & 0o7777)
}

class OpenTree implements Tree {
  readonly #root: number

  constructor(root: number) {
    this.#root = root
  }

  find(paths: readonly string[], { name, kind }: { name: string; kind: 'file' | 'directory' }): Found {
    let fd = openInRoot(this.#root, '/', O_PATH)
    for (const [index, path] of paths.entries()) {
      const next = openWithin(fd, path, O_PATH)
      closeSync(fd)
      if (next === undefined) throw notFound(paths, name)
      fd = next
      const isLast = index === paths.length - 1
      if (!isLast && !fstatSync(fd).isDirectory()) {
        closeSync(fd)
        throw notFound(paths, name)
      }
    }
    const found = foundAt(fd)
    const fits = kind === 'file' ? found.stat.isFile() : found.stat.isDirectory()
    if (fits) return found
    found[Symbol.dispose]()
    const expected = kind === 'file' ? 'a regular file' : 'a directory'
    throw unsuitable(paths.at(-1) ?? '/', name, `it is ${kindOf(found.stat)}, not ${expected}`)
  }

  entry(path: string): Found | undefined {
    const fd = openWithin(this.#root, path, O_PATH | constants.O_NOFOLLOW)
    return fd === undefined ? undefined : foundAt(fd)
  }

  directory(path: string, name: string): Found & { readonly isNew: boolean } {
    const present = openWithin(this.#root, path, O_PATH)
    if (present !== undefined) {
      const found = foundAt(present)
      if (found.stat.isDirectory()) return { ...found, isNew: false }
      found[Symbol.dispose]()
      throw unsuitable(path, name, `it is ${kindOf(found.stat)}, not a directory`)
    }
    using parent = this.directory(dirname(path), name)
    const place = join(parent.path, path.slice(path.lastIndexOf('/') + 1))
    try {
      mkdirSync(place, { mode: 0o755 })
    } catch (error) {
      // The path leads nowhere, and yet its last name exists.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      throw unsuitable(path, name, 'it is a link that leads nowhere')
    }
    chmodSync(place, 0o755)
    const fd = openWithin(this.#root, path, O_PATH)
    if (fd === undefined) throw notFound([path], name)
    return { ...foundAt(fd), isNew: true }
  }

  [Symbol.dispose](): void {
    closeSync(this.#root)
  }
}

function foundAt(fd: number): Found {
  return { fd, path: `/proc/self/fd/${fd}`, stat: fstatSync(fd), [Symbol.dispose]: () => closeSync(fd) }
}

const absent = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'])

function openWithin(root: number, path: string, flags: number): number | undefined {
  try {
    return openInRoot(root, path, flags)
  } catch (error) {
    if (error instanceof KernelError && absent.has(error.errno)) return undefined
    throw error
  }
}

/**
 * Finds the filesystem that a part is in, and the paths that lead to it there: a directory is a root of its own, so
 * the paths are followed one after the other.
 */
export function locate(part: PlannedFilesystem | PlannedFile): {
  filesystem: PlannedFilesystem | PlannedFetch
  paths: string[]
  name: string
} {
  const paths: string[] = []
  let at: PlannedFilesystem | PlannedFile | PlannedFetch = part
  while (at.kind === 'file' || at.kind === 'directory') {
    if (at.path !== '/') paths.unshift(at.path)
    at = at.input
  }
  return { filesystem: at, paths, name: at.kind === 'fetch' ? at.url : rootOf(at).ref }
}

function notFound(paths: readonly string[], name: string): MoorageError {
  return new MoorageError('PATH_NOT_FOUND', { path: paths.at(-1) ?? '/', what: name })
}

export function unsuitable(path: string, name: string, reason: string, cause?: unknown): MoorageError {
  const details = { path, what: name, reason }
  return new MoorageError('PATH_UNSUITABLE', details, cause === undefined ? {} : { cause })
}

function kindOf(stat: Stats): string {
  if (stat.isDirectory()) return 'a directory'
  if (stat.isFile()) return 'a regular file'
  if (stat.isFIFO()) return 'a pipe'
  if (stat.isSocket()) return 'a socket'
  return stat.isSymbolicLink() ? 'a link' : 'a device'
}
