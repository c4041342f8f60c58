import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { KernelError, umount } from '../../../kernel/index.ts'
import { cgroupMounts, instanceCgroup } from './cgroups.ts'

/**
 * Makes the kernel favour moves between cgroups while this process lives, on version 1, where that pays: crun writes
 * each container's pid to a dozen hierarchies, and the first write after a pause waits for an RCU grace period, some
 * 10 ms. `favordynmods` (Linux 6.0) spares that, for the whole machine. It is an option of a mount, so an empty hierarchy
 * is mounted for it, in this process's mount namespace, and goes with that namespace.
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
  const options = `none,name=${instanceCgroup(instance)},favordynmods`
  try {
    await promisify(execFile)('mount', ['-t', 'cgroup', '-o', options, 'none', directory], { signal })
  } catch {
    // An older kernel has no such option: then starts are as slow as they are.
  }
}

/** Unmounts that hierarchy, if it was mounted. */
export function unfavourCgroupMoves(directory: string): void {
  try {
    umount(directory)
  } catch (error) {
    if (!(error instanceof KernelError && ['EINVAL', 'ENOENT'].includes(error.errno))) throw error
  }
}
