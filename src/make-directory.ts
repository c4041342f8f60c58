import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asMoorageError, MoorageError } from './errors/index.ts'

/**
 * Makes a directory and those above it; one that exists stays as it is. Not with `recursive` of Node's mkdir: below
 * /proc, where a directory exists but `mkdir` in it says ENOENT, that never returns and keeps a thread busy.
 *
 * @param mode - permissions of each directory that is created
 * @throws NodeJS.ErrnoException
 */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  if (await tryMake(path, mode)) return
  if (dirname(path) !== path) await makeDirectory(dirname(path), mode)
  // Once only: if it still fails, a second round would fail as well.
  await mkdir(path, { mode }).catch((error) => ignoreIfPresent(path, error))
}

/**
 * Makes a directory that a user chose.
 *
 * @param option - the option that names it, for the message
 * @throws MoorageError INVALID_OPTION, DISK_FULL
 */
export async function makeChosenDirectory(option: string, path: string, mode: number): Promise<void> {
  try {
    await makeDirectory(path, mode)
  } catch (error) {
    const failure = asMoorageError(error)
    if (failure.code !== 'INTERNAL') throw failure
    const reason = `its directory cannot be made: ${(error as Error).message}`
    throw new MoorageError('INVALID_OPTION', { option, reason }, { cause: error })
  }
}

/**
 * Finds the directory, or the nearest above it that exists: there it would be made.
 *
 * @throws NodeJS.ErrnoException where this user may not look, or something on the way is no directory
 */
export async function nearestExisting(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) throw error
    return nearestExisting(dirname(path))
  }
  throw Object.assign(new Error(`${path} is not a directory`), { code: 'ENOTDIR' })
}

/** Returns true when the directory exists now, false when the one above it is missing. */
async function tryMake(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    await ignoreIfPresent(path, error)
  }
  return true
}

/** Throws the error unless the directory exists: on a read-only filesystem mkdir fails for those that do, too. */
async function ignoreIfPresent(path: string, error: unknown): Promise<void> {
  const status = await stat(path).catch(() => undefined)
  if (!status?.isDirectory()) throw error
}
