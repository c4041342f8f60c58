import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { asMoorageError, MoorageError } from './errors/index.ts'

/**
 * Makes a directory and those on the way to it; one that is there stays as it is. Not Node's own `recursive`: that
 * never returns, and keeps a thread busy, where a directory is there but `mkdir` in it says ENOENT, as below /proc.
 *
 * @param mode - of each directory that is made
 * @throws NodeJS.ErrnoException
 */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  if (await made(path, mode)) return
  if (dirname(path) !== path) await makeDirectory(dirname(path), mode)
  // Once: what is missing now is not for us to make.
  await mkdir(path, { mode }).catch((error) => unlessThere(path, error))
}

/**
 * The same for a directory that somebody chose.
 *
 * @param option - by what, as it is told
 * @throws MoorageError INVALID_OPTION, DISK_FULL
 */
export async function makeChosenDirectory(option: string, path: string, mode: number): Promise<void> {
  try {
    await makeDirectory(path, mode)
  } catch (error) {
    const told = asMoorageError(error)
    if (told.code !== 'INTERNAL') throw told
    const reason = `its directory cannot be made: ${(error as Error).message}`
    throw new MoorageError('INVALID_OPTION', { option, reason }, { cause: error })
  }
}

/** Whether it is there now; false where a directory on the way to it is missing. */
async function made(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    await unlessThere(path, error)
  }
  return true
}

/** A directory that may not be made, as on a filesystem that is read-only, may be there all the same. */
async function unlessThere(path: string, error: unknown): Promise<void> {
  const there = await stat(path).catch(() => undefined)
  if (!there?.isDirectory()) throw error
}
