/** SQLite's result code for a database that somebody else has locked. */
const SQLITE_BUSY = 5

/**
 * The lock of whoever starts a daemon: an open SQLite transaction, which the kernel ends with its process.
 *
 * @returns nothing when somebody else has it
 */
export async function lockStart(path: string): Promise<Disposable | undefined> {
  // Loaded here: most connections find a daemon and need no database.
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
