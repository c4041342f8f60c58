import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MoorageError } from '../errors/index.ts'

/** Each brings the index one version further. None is ever changed once it is released. */
const migrations: readonly string[] = [
  `
  CREATE TABLE pins (ref TEXT PRIMARY KEY, digest TEXT NOT NULL, pinnedAt INTEGER NOT NULL) STRICT;
  CREATE TABLE images (
    digest TEXT PRIMARY KEY, directory TEXT NOT NULL, config TEXT NOT NULL, source TEXT NOT NULL,
    createdAt INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE trees (digest TEXT PRIMARY KEY, directory TEXT NOT NULL, createdAt INTEGER NOT NULL) STRICT;
  CREATE TABLE results (
    digest TEXT PRIMARY KEY, directory TEXT NOT NULL, exitCode INTEGER NOT NULL, createdAt INTEGER NOT NULL
  ) STRICT;
  `,
]

/** SQLite's result codes for a file that is damaged, and for one that is no database. */
const unreadable = new Set([11, 26])

/**
 * Opens the index, and migrates it to this version; the one before is kept beside it.
 *
 * @param steps - the migrations, from the first version on
 * @throws MoorageError STATE_UNREADABLE
 */
export function openIndex(directory: string, steps: readonly string[] = migrations): DatabaseSync {
  const database = new DatabaseSync(join(directory, 'index.db'))
  try {
    // WAL with NORMAL loses nothing when the process is killed; a loss of power may cost the last commits.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    migrate(database, directory, steps)
    return database
  } catch (error) {
    database.close()
    if (!unreadable.has((error as { errcode?: number }).errcode ?? 0)) throw error
    const reason = `index.db is damaged (${(error as Error).message})`
    throw new MoorageError('STATE_UNREADABLE', { directory, reason }, { cause: error })
  }
}

function migrate(database: DatabaseSync, directory: string, steps: readonly string[]): void {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > steps.length) {
    const reason = `its index has version ${version}, and this Moorage knows ${steps.length} at most`
    throw new MoorageError('STATE_UNREADABLE', { directory, reason })
  }
  if (version === steps.length) return
  if (version > 0) {
    const backup = join(directory, `index.v${version}.db`)
    rmSync(backup, { force: true })
    database.prepare('VACUUM INTO ?').run(backup)
  }
  // All or nothing: the version is part of the transaction, and closing rolls back.
  database.exec('BEGIN IMMEDIATE')
  for (const step of steps.slice(version)) database.exec(step)
  database.exec(`PRAGMA user_version = ${steps.length}; COMMIT`)
}
