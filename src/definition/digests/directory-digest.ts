import { createHash, hash as hashOf } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { MoorageError } from '../../errors/index.ts'
import { choiceOf, type DirectoryFilter, type PathChoice } from './directory-filter.ts'
import { sha256OfJson } from './sha256.ts'

/** Number of files that are read at the same time: one after another, each costs 1 ms. */
const atOnce = 16

/** Size in bytes above which a file is hashed as a stream, so that it need not fit into memory. */
const largestWhole = 1024 * 1024

/** The mode of a directory that counts as not set: digests from before modes were in them stay. */
const usualMode = 0o755

type EntryType = 'directory' | 'file' | 'executable' | 'link' | 'device' | 'pipe' | 'socket'
type Entry = readonly [path: string, type: EntryType, content: string]

/** A path below the directory: as the digest has it, and as the system has it. */
interface Listed {
  readonly path: string
  /** Set where the two differ, since the name is not UTF-8. */
  readonly bytes: Buffer | undefined
}

interface DigestOptions {
  /** Digest devices, pipes, sockets and names that are not UTF-8 too: a container may leave any of them. */
  whatever?: boolean
}

/**
 * Computes the digest of a directory's content: paths, types, exec bits, contents and link targets; not times or
 * owners.
 *
 * @returns the digest; `rooted`, which has the mode of the directory itself too, and is the same where that is 0755; and the
 *   paths that they cover, parents before what is in them
 * @throws MoorageError DIRECTORY_UNREADABLE, for a device, a socket or a pipe in it too
 */
export async function digestDirectory(
  root: string,
  filter: DirectoryFilter = {},
  { whatever = false }: DigestOptions = {},
): Promise<{ digest: string; rooted: string; paths: string[] }> {
  const listed = await list(
    { root, choice: choiceOf(filter), whatever },
    { path: '', bytes: undefined },
    false,
  )
  const entries: Entry[] = new Array(listed.length)
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < listed.length) {
      const index = next++
      entries[index] = await describe(root, listed[index] as Listed, whatever)
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, worker))
  } finally {
    // After a failure the other workers must stop.
    next = listed.length
  }
  const { mode } = await reading(root, '', () => stat(root))
  const permissions = mode & 0o7777
  const digest = sha256OfJson({ directory: entries })
  return {
    digest,
    rooted: permissions === usualMode ? digest : sha256OfJson({ directory: entries, mode: permissions }),
    paths: listed.map(({ path }) => path),
  }
}

interface Listing {
  root: string
  choice: PathChoice
  whatever: boolean
}

/**
 * Lists the paths that the filter takes, sorted by name.
 *
 * @param whole - the filter includes a directory above by name, so all below is taken
 */
async function list(listing: Listing, directory: Listed, whole: boolean): Promise<Listed[]> {
  const { root, choice, whatever } = listing
  const dirents = await reading(root, directory.path, () =>
    readdir(placeOf(root, directory), { withFileTypes: true, encoding: 'buffer' }),
  )
  const entries = dirents.map((entry) => ({ entry, name: entry.name.toString() }))
  const listed: Listed[] = []
  for (const { entry, name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = innerOf(directory, name, entry.name, whatever)
    const { path } = inner
    if (choice.excluded(path)) continue
    const taken = whole || choice.included(path)
    const inside = entry.isDirectory() ? await list(listing, inner, taken) : []
    // A directory that the filter does not take is listed for what it takes in it.
    if (taken || inside.length > 0) listed.push(inner)
    for (const path of inside) listed.push(path)
  }
  return listed
}

/**
 * Makes the path of an entry. A name that is not UTF-8 is written as its bytes, after a NUL byte, which no name
 * has.
 */
function innerOf(directory: Listed, name: string, bytes: Buffer, whatever: boolean): Listed {
  const isText = !whatever || !name.includes('\uFFFD') || Buffer.from(name).equals(bytes)
  const written = isText ? name : `\0${bytes.toString('hex')}`
  const path = directory.path === '' ? written : `${directory.path}/${written}`
  if (isText && directory.bytes === undefined) return { path, bytes: undefined }
  const above = directory.bytes ?? Buffer.from(directory.path)
  return { path, bytes: above.length === 0 ? bytes : Buffer.concat([above, slash, bytes]) }
}

const slash = Buffer.from('/')

/** Returns the path for the system. One that is text is joined as text, which normalizes the root. */
function placeOf(root: string, { path, bytes }: Listed): string | Buffer {
  return bytes === undefined ? join(root, path) : Buffer.concat([Buffer.from(join(root, '/')), bytes])
}

function describe(root: string, listed: Listed, whatever: boolean): Promise<Entry> {
  const { path } = listed
  const full = placeOf(root, listed)
  return reading(root, path, async () => {
    const info = await lstat(full)
    if (info.isDirectory()) return [path, 'directory', '']
    if (info.isSymbolicLink()) return [path, 'link', await readlink(full)]
    if (!info.isFile()) {
      if (!whatever) throw unreadable(join(root, path), 'devices, sockets and pipes cannot be sent')
      if (info.isFIFO()) return [path, 'pipe', '']
      return info.isSocket() ? [path, 'socket', ''] : [path, 'device', String(info.rdev)]
    }
    const type = (info.mode & 0o111) === 0 ? 'file' : 'executable'
    const content =
      info.size > largestWhole ? await hashStream(full) : hashOf('sha256', await readFile(full), 'hex')
    return [path, type, content]
  })
}

async function hashStream(path: string | Buffer): Promise<string> {
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
