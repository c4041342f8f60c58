import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join, matchesGlob } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { MoorageError } from '../errors.ts'
import { digestOf } from './digest.ts'

export interface DirectoryFilter {
  /** Globs of paths to take; everything unless said. */
  include?: readonly string[]
  /** Globs of paths to leave out; they win. */
  exclude?: readonly string[]
}

type Entry = readonly [path: string, type: 'directory' | 'file' | 'executable' | 'link', content: string]

/**
 * The digest of a directory's content: paths, types, exec bits, contents and link targets; not times or owners.
 *
 * @returns the digest, and the paths it covers, parents before what is in them
 * @throws MoorageError INVALID_OPTION for a device, a socket or a pipe
 */
export async function digestDirectory(
  root: string,
  filter: DirectoryFilter = {},
): Promise<{ digest: string; paths: string[] }> {
  const entries: Entry[] = []
  const walk = async (below: string): Promise<void> => {
    const names = (await readdir(join(root, below))).sort()
    for (const name of names) {
      const path = below === '' ? name : `${below}/${name}`
      if (filter.exclude?.some((glob) => matchesGlob(path, glob))) continue
      const taken = filter.include === undefined || filter.include.some((glob) => matchesGlob(path, glob))
      const entry = await describe(root, path)
      if (entry[1] === 'directory') {
        const before = entries.length
        await walk(path)
        // A directory that is not asked for itself is there for what is in it.
        if (taken || entries.length > before) entries.splice(before, 0, entry)
      } else if (taken) entries.push(entry)
    }
  }
  await walk('')
  return { digest: digestOf({ directory: entries }), paths: entries.map(([path]) => path) }
}

async function describe(root: string, path: string): Promise<Entry> {
  const full = join(root, path)
  const info = await lstat(full)
  if (info.isDirectory()) return [path, 'directory', '']
  if (info.isSymbolicLink()) return [path, 'link', await readlink(full)]
  if (!info.isFile()) {
    throw new MoorageError('INVALID_OPTION', {
      option: full,
      reason: 'devices, sockets and pipes cannot be sent',
    })
  }
  return [path, (info.mode & 0o111) === 0 ? 'file' : 'executable', await hashFile(full)]
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
