import { statfsSync } from 'node:fs'
import { asMoorageError, MoorageError } from '../errors/index.ts'

export interface FreeSpace {
  /** Free bytes, without those that the filesystem reserves. */
  bytes: number
  /** The size of the filesystem, in bytes. */
  total: number
}

/** With fewer free bytes than this, nothing new is begun. */
const neededFree: number = 64 * 1024 * 1024

/** Returns the free space of the filesystem that a directory is on. */
export function freeSpace(directory: string): FreeSpace {
  const { bavail, blocks, bsize } = statfsSync(directory)
  return { bytes: bavail * bsize, total: blocks * bsize }
}

/** @throws MoorageError DISK_LOW */
export function ensureSpace(directory: string): void {
  const { bytes } = freeSpace(directory)
  if (bytes >= neededFree) return
  throw new MoorageError('DISK_LOW', {
    free: mebibytes(bytes),
    path: directory,
    needed: mebibytes(neededFree),
  })
}

/** Returns a size for people: `1.5 MiB`. */
export function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

/**
 * SQLite's result codes for a full disk: SQLITE_FULL, and those of an ENOSPC when its shared memory or its log cannot
 * grow (SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE). https://sqlite.org/rescode.html
 */
const fullDisk = new Set([13, 778, 4874])

/**
 * Turns what work on a directory has thrown into a MoorageError; a full disk is DISK_FULL, whoever found it full.
 */
export function storeError(thrown: unknown, directory: string): MoorageError {
  const code = (thrown as { errcode?: number } | null)?.errcode
  if (code === undefined || !fullDisk.has(code)) return asMoorageError(thrown)
  return new MoorageError('DISK_FULL', { what: 'the index', path: directory }, { cause: thrown })
}
