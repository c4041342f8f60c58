import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ownState } from './own-state.ts'

/** Mounts a filesystem of that size for the test alone. */
export function smallDisk(t: { teardown(fn: () => void): void }, mebibytes: number): string {
  const place = join(ownState(t), 'disk')
  mkdirSync(place)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'moorage-test', place])
  t.teardown(() => execFileSync('umount', [place]))
  return place
}

/** Writes a file that takes all free space. */
export function fill(path: string): void {
  const file = openSync(path, 'w')
  const piece = Buffer.alloc(64 * 1024)
  try {
    for (;;) writeSync(file, piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(file)
  }
}
