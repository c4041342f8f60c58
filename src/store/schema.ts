import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Each brings the index one version further; none is ever changed once released. */
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

/** Opens the index, and brings it to this version's form; the one before is kept beside it. */
export function openIndex(directory: string): DatabaseSync {
  const database = new DatabaseSync(join(directory, 'index.db'))
  try {
    // WAL with NORMAL loses nothing when the process is killed; a loss of power may cost the last commits.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    migrate(database, directory)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function migrate(database: DatabaseSync, directory: string): void {
  const row = database.prepare('PRAGMA user_version').get() as { user_version: number }
  const version = row.user_version
  if (version > migrations.length) {
    throw new Error(
      `${directory} is of a newer Moorage (index version ${version}, this one knows ${migrations.length})`,
    )
  }
  if (version === migrations.length) return
  if (version > 0) {
    const backup = join(directory, `index.v${version}.db`)
    if (existsSync(backup)) rmSync(backup)
    database.prepare('VACUUM INTO ?').run(backup)
  }
  database.exec('BEGIN IMMEDIATE')
  for (const step of migrations.slice(version)) database.exec(step)
  database.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`)
}
