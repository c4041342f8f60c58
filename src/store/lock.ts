import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MoorageError } from '../errors.ts'

/** A held lock; the kernel lets go of it when the process dies. */
export interface Lock extends Disposable {
  release(): void
}

/** SQLite's result code for a database that somebody else has locked. */
const SQLITE_BUSY = 5

/**
 * The lock on a state directory: whoever has it is its only daemon. An open SQLite transaction: unlike a pid file it
 * cannot outlive its process, and it needs no native code of ours.
 *
 * @throws MoorageError STATE_LOCKED, naming the holder
 */
export async function lockDirectory(directory: string): Promise<Lock> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const pidFile = join(directory, 'daemon.pid')
  const database = new DatabaseSync(join(directory, 'lock.db'), { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error
    throw new MoorageError('STATE_LOCKED', { pid: readPid(pidFile), directory }, { cause: error })
  }
  writeFileSync(pidFile, `${process.pid}\n`)
  let held = true
  const release = () => {
    if (!held) return
    held = false
    database.close()
  }
  return { release, [Symbol.dispose]: release }
}

function readPid(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return 'unknown'
  }
}
