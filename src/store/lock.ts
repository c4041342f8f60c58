import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { asMoorageError, MoorageError } from '../errors/index.ts'
import { makeDirectory } from '../make-directory.ts'

/** A held lock; the kernel releases it when the process dies. */
export interface Lock extends Disposable {
  release(): void
}

/** SQLite's result code for a database that another process has locked. */
const SQLITE_BUSY = 5

/**
 * Takes the lock on a state directory: the process that has it is its only daemon. The lock is an open SQLite
 * transaction: unlike a pid file it cannot outlive its process, and it needs no native code of ours. The pid file
 * beside it is for people.
 *
 * @throws MoorageError STATE_LOCKED, naming the holder; DISK_FULL
 */
export async function lockDirectory(directory: string): Promise<Lock> {
  const pidFile = join(directory, 'daemon.pid')
  let database: DatabaseSync | undefined
  try {
    await makeDirectory(directory, 0o700)
    database = new DatabaseSync(join(directory, 'lock.db'), { timeout: 0 })
    database.exec('BEGIN EXCLUSIVE')
    writeFileSync(pidFile, `${process.pid}\n`)
  } catch (error) {
    database?.close()
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw asMoorageError(error)
    throw new MoorageError('STATE_LOCKED', { pid: readPid(pidFile), directory }, { cause: error })
  }
  const held = database
  let released = false
  const release = () => {
    if (released) return
    released = true
    // While the lock is still held: the pid of the next holder must not be removed.
    rmSync(pidFile, { force: true })
    held.close()
  }
  return { release, [Symbol.dispose]: release }
}

function readPid(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || 'unknown'
  } catch (error) {
    // The holder has only just taken the lock, or is about to release it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'unknown'
    throw error
  }
}
