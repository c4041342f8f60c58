import type { DatabaseSync } from 'node:sqlite'
import { MoorageError } from '../errors/index.ts'
import type { StoredDirectories } from './stored-directories.ts'

/** Directories that clients sent, by the digest of their content. */
export interface TreeTable {
  has(digest: string): boolean
  /** @throws MoorageError BLOB_MISSING */
  path(digest: string): string
  /** Takes a directory over. If one of that digest is stored already, that one stays. */
  adopt(digest: string, directory: string): Promise<void>
}

export function treeTable(index: DatabaseSync, kept: StoredDirectories): TreeTable {
  const byDigest = index.prepare('SELECT directory FROM trees WHERE digest = ?')
  const add = index.prepare('INSERT INTO trees (digest, directory, createdAt) VALUES (?, ?, ?)')
  const placeOf = (digest: string) => (byDigest.get(digest) as { directory: string } | undefined)?.directory

  return {
    has: (digest) => placeOf(digest) !== undefined,
    path(digest) {
      const name = placeOf(digest)
      if (name === undefined) throw new MoorageError('BLOB_MISSING', { digest })
      return kept.path(name)
    },
    async adopt(digest, directory) {
      if (placeOf(digest) !== undefined) return
      try {
        await kept.adopt(digest, directory, (name) => add.run(digest, name, Date.now()))
      } catch (error) {
        // Another client sent the same directory at the same time.
        if (placeOf(digest) === undefined) throw error
      }
    },
  }
}
