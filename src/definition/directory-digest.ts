import { createHash, hash as hashOf } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { MoorageError } from '../errors.ts'
import { digestOf } from './digest.ts'
import { choiceOf, type DirectoryFilter, type PathChoice } from './directory-filter.ts'

/** Read at the same time: one after another, a file costs 1 ms. */
const atOnce = 16

/** What is larger is hashed as a stream, so that it need not fit into memory. */
const largestWhole = 1024 * 1024

type Entry = readonly [path: string, type: 'directory' | 'file' | 'executable' | 'link', content: string]

/**
 * The digest of a directory's content: paths, types, exec bits, contents and link targets; not times or owners.
 *
 * @returns the digest, and the paths it covers, parents before what is in them
 * @throws MoorageError DIRECTORY_UNREADABLE, for a device, a socket or a pipe in it too
 */
export async function digestDirectory(
  root: string,
  filter: DirectoryFilter = {},
): Promise<{ digest: string; paths: string[] }> {
  const paths = await list(root, '', choiceOf(filter), false)
  const entries: Entry[] = new Array(paths.length)
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < paths.length) {
      const index = next++
      entries[index] = await describe(root, paths[index] ?? '')
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, worker))
  } finally {
    // After a failure the others have nothing more to do.
    next = paths.length
  }
  return { digest: digestOf({ directory: entries }), paths }
}

/** The paths that are taken, in the order of their names. @param whole - a directory above was asked for by name */
async function list(root: string, below: string, choice: PathChoice, whole: boolean): Promise<string[]> {
  const found = await reading(root, below, () => readdir(join(root, below), { withFileTypes: true }))
  const paths: string[] = []
  for (const entry of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (choice.excluded(path)) continue
    const taken = whole || choice.included(path)
    const inside = entry.isDirectory() ? await list(root, path, choice, taken) : []
    // A directory that is not asked for itself is there for what is in it.
    if (taken || inside.length > 0) paths.push(path)
    for (const one of inside) paths.push(one)
  }
  return paths
}

function describe(root: string, path: string): Promise<Entry> {
  const full = join(root, path)
  return reading(root, path, async () => {
    const info = await lstat(full)
    if (info.isDirectory()) return [path, 'directory', '']
    if (info.isSymbolicLink()) return [path, 'link', await readlink(full)]
    if (!info.isFile()) throw unreadable(full, 'devices, sockets and pipes cannot be sent')
    const type = (info.mode & 0o111) === 0 ? 'file' : 'executable'
    const content =
      info.size > largestWhole ? await hashStream(full) : hashOf('sha256', await readFile(full), 'hex')
    return [path, type, content]
  })
}

async function hashStream(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

async function reading<T>(root: string, path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof MoorageError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw unreadable(join(root, path), reasonOf(code, path) ?? message, error)
  }
}

function reasonOf(code: string | undefined, path: string): string | undefined {
  if (code === 'ENOTDIR' && path === '') return 'it is not a directory'
  if (code === 'EACCES') return 'permission denied'
  if (code !== 'ENOENT') return undefined
  if (path === '') return 'it does not exist'
  // Node puts U+FFFD for bytes that are not UTF-8, and does not find the file again.
  return path.includes('\uFFFD') ? 'its name is not UTF-8' : 'it went away while it was read'
}

function unreadable(path: string, reason: string, cause?: unknown): MoorageError {
  return new MoorageError('DIRECTORY_UNREADABLE', { path, reason }, cause === undefined ? {} : { cause })
}
