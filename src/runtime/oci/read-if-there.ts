import { readFileSync } from 'node:fs'

/** Reads a file, of procfs or another; returns an empty text if it is not there. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // ESRCH: the process went between the open and the read.
    if (code === 'ENOENT' || code === 'ESRCH') return ''
    throw error
  }
}
