/** SQLite's result code for a database that another connection has locked. */
const SQLITE_BUSY = 5

/**
 * Takes the lock under which one process starts a daemon: an open SQLite transaction, which the kernel ends with the
 * process.
 *
 * @returns undefined when another process has it
 */
export async function lockStart(path: string): Promise<Disposable | undefined> {
  // Imported only here: most connections find a daemon and need no database.
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
    return { [Symbol.dispose]: () => database.close() }
  } catch (error) {
    database.close()
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined
    throw error
  }
}
