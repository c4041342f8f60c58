import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { KernelError, umount } from '../../../kernel/index.ts'
import { cgroupMounts, instanceCgroup, removeCgroup } from './cgroups.ts'

/** The longest that the mount may take, in milliseconds. */
const mountTimeout = 10_000

/**
 * Mounts an empty cgroup hierarchy of the instance's own, in this process's mount namespace, where the host has cgroups of
 * version 1. It serves two ends. Each command in a running container gets a group there (exec-group.ts), since no OCI
 * runtime puts a command into a group of its own in version 1. And `favordynmods` (Linux 6.0), an option of a mount that
 * holds for the whole machine, makes the kernel favour moves between cgroups: crun writes each container's pid to a dozen
 * hierarchies, and without it the first write after a pause waits for an RCU grace period, some 10 ms.
 *
 * @param signal - gives up: the mount waits while an earlier hierarchy of that name is still being removed
 * @returns whether it is mounted
 */
export async function mountOwnHierarchy(
  instance: string,
  directory: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (cgroupMounts().length < 2) return false
  mkdirSync(directory, { recursive: true })
  const name = `none,name=${instanceCgroup(instance)}`
  // An older kernel does not know the option: then starts are as slow as they are.
  for (const options of [`${name},favordynmods`, name]) {
    try {
      await promisify(execFile)('mount', ['-t', 'cgroup', '-o', options, 'none', directory], {
        signal,
        timeout: mountTimeout,
      })
      // A hierarchy outlives its mounts as long as it has groups: a launcher that was killed leaves those of its commands.
      removeCgroup(instanceCgroup(instance), [directory])
      return true
    } catch {
      if (signal.aborted) return false
    }
  }
  return false
}

/** Unmounts that hierarchy, if it was mounted. */
export function unmountOwnHierarchy(directory: string): void {
  try {
    umount(directory)
  } catch (error) {
    if (!(error instanceof KernelError && ['EINVAL', 'ENOENT'].includes(error.errno))) throw error
  }
}
