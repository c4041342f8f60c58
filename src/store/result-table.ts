import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { StoredResult } from './records.ts'
import type { StoredDirectories } from './stored-directories.ts'
import type { Temporaries } from './temporaries.ts'

/** The results of runs that succeeded: a layer and a log, by the digest of the run's vertex. */
export interface ResultTable {
  get(digest: string): StoredResult | undefined
  /**
   * Takes the layer and the log of a run over. The newest result of a digest counts; an older one stays on disk
   * until the store is opened again, since somebody may stand on it.
   */
  adopt(result: { digest: string; upper: string; logs: string; exitCode: number }): Promise<StoredResult>
  /** Returns all, the oldest first. */
  list(): StoredResult[]
  /** Removes a result. Nobody may stand on it any more. */
  remove(digest: string): Promise<void>
}

interface Row {
  digest: string
  directory: string
  exitCode: number
  createdAt: number
}

export function resultTable(
  index: DatabaseSync,
  kept: StoredDirectories,
  temporaries: Temporaries,
): ResultTable {
  const byDigest = index.prepare('SELECT * FROM results WHERE digest = ?')
  const all = index.prepare('SELECT * FROM results ORDER BY createdAt, digest')
  const put = index.prepare(
    'INSERT OR REPLACE INTO results (digest, directory, exitCode, createdAt) VALUES (?, ?, ?, ?)',
  )
  const drop = index.prepare('DELETE FROM results WHERE digest = ?')

  const rowOf = (digest: string) => byDigest.get(digest) as unknown as Row | undefined
  const resultOf = ({ digest, directory, exitCode, createdAt }: Row): StoredResult => {
    const place = kept.path(directory)
    return { digest, layer: join(place, 'layer'), logs: join(place, 'logs'), exitCode, createdAt }
  }

  return {
    get(digest) {
      const row = rowOf(digest)
      return row && resultOf(row)
    },
    async adopt({ digest, upper, logs, exitCode }) {
      const directory = await temporaries.make()
      try {
        await rename(upper, join(directory, 'layer'))
        await rename(logs, join(directory, 'logs'))
        return await kept.adopt(digest, directory, (name) => {
          const row: Row = { digest, directory: name, exitCode, createdAt: Date.now() }
          put.run(row.digest, row.directory, row.exitCode, row.createdAt)
          return resultOf(row)
        })
      } catch (error) {
        await temporaries.discard(directory)
        throw error
      }
    },
    list: () => (all.all() as unknown as Row[]).map(resultOf),
    async remove(digest) {
      const row = rowOf(digest)
      if (row === undefined) return
      drop.run(digest)
      await kept.remove(row.directory)
    },
  }
}
