import type { DatabaseSync } from 'node:sqlite'
import type { ImageConfig, Pin, StoredImage } from './records.ts'
import type { StoredDirectories } from './stored-directories.ts'

/** Images by digest, and the digests that references are pinned to. */
export interface ImageTable {
  pin(ref: string): Pin | undefined
  setPin(ref: string, digest: string): void
  get(digest: string): StoredImage | undefined
  /** Takes a root filesystem over. If the image is stored already, that one stays. */
  adopt(image: { digest: string; config: ImageConfig; rootfs: string; source: string }): Promise<StoredImage>
  /** Returns all, the oldest first. */
  list(): StoredImage[]
}

type Row = Record<'digest' | 'directory' | 'config' | 'source', string> & { createdAt: number }

export function imageTable(index: DatabaseSync, kept: StoredDirectories): ImageTable {
  const pinOf = index.prepare('SELECT digest, pinnedAt FROM pins WHERE ref = ?')
  const setPin = index.prepare('INSERT OR REPLACE INTO pins (ref, digest, pinnedAt) VALUES (?, ?, ?)')
  const byDigest = index.prepare('SELECT * FROM images WHERE digest = ?')
  const all = index.prepare('SELECT * FROM images ORDER BY createdAt, digest')
  const add = index.prepare(
    'INSERT INTO images (digest, directory, config, source, createdAt) VALUES (?, ?, ?, ?, ?)',
  )

  const imageOf = (row: Row): StoredImage => ({
    digest: row.digest,
    rootfs: kept.path(row.directory),
    config: JSON.parse(row.config) as ImageConfig,
    source: row.source,
    createdAt: row.createdAt,
  })
  const get = (digest: string) => {
    const row = byDigest.get(digest) as Row | undefined
    return row && imageOf(row)
  }

  return {
    pin(ref) {
      const row = pinOf.get(ref) as unknown as Pin | undefined
      return row && { digest: row.digest, pinnedAt: row.pinnedAt }
    },
    setPin(ref, digest) {
      setPin.run(ref, digest, Date.now())
    },
    get,
    async adopt({ digest, config, rootfs, source }) {
      return (
        get(digest) ??
        kept.adopt(digest, rootfs, (directory) => {
          const row: Row = {
            digest,
            directory,
            config: JSON.stringify(config),
            source,
            createdAt: Date.now(),
          }
          add.run(row.digest, row.directory, row.config, row.source, row.createdAt)
          return imageOf(row)
        })
      )
    },
    list: () => (all.all() as Row[]).map(imageOf),
  }
}
