import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { KernelError, umount } from '../../../kernel/index.ts'
import { cgroupName } from '../runtime-paths.ts'
import { cgroupMounts } from './cgroups.ts'

/**
 * Makes the kernel favour moves between cgroups while this process lives, where that pays: on version 1, crun writes
 * each container's pid to a dozen hierarchies, and the first write after a pause waits for an RCU grace period, some
 * 10 ms. `favordynmods` (Linux 6.0) spares that, for the whole machine; it is an option of a mount, so an empty
 * hierarchy is mounted for it, in this process's mount namespace. It goes when that goes.
 *
 * @param signal - gives up: the mount waits while an earlier hierarchy of that name is still being removed
 */
export async function favourCgroupMoves(
  instance: string,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  if (cgroupMounts().length < 2) return
  mkdirSync(directory, { recursive: true })
  const options = `none,name=${cgroupName(instance)},favordynmods`
  try {
    await promisify(execFile)('mount', ['-t', 'cgroup', '-o', options, 'none', directory], { signal })
  } catch {
    // An older kernel has no such option: then starts are as slow as they are.
  }
}

/** Undoes it, if it was done. */
export function unfavourCgroupMoves(directory: string): void {
  try {
    umount(directory)
  } catch (error) {
    if (!(error instanceof KernelError && ['EINVAL', 'ENOENT'].includes(error.errno))) throw error
  }
}
