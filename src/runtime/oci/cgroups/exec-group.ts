import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { containerCgroup, processesOf } from './cgroups.ts'

/** The processes of one command in a running container, and of all that these started. */
export interface ExecGroup {
  /** Options of the OCI runtime's `exec`. */
  readonly options: readonly string[]
  /** The file to which a process writes 0 to enter the group, before it becomes the OCI runtime. */
  readonly entrance: string | undefined
  /** Lists its processes; those that have ended do not count. */
  processes(): number[]
  /** Removes it; returns false if a process is left in it. */
  remove(): boolean
}

/** Makes the groups of commands; undefined where the host lets nobody make one. */
export type MakeExecGroup = (id: string, exec: string) => Promise<ExecGroup | undefined>

/** The mount point where version 2 is all there is. */
const unified = '/sys/fs/cgroup'

/**
 * Returns the way to make groups of commands. A process leaves its parent, its session and its environment as it likes,
 * never its cgroup: so whatever a command has started is found when it must end.
 *
 * With version 2 alone, the group is one below the container's, which the OCI runtime joins (`exec --cgroup`). With
 * version 1 it is one of the hierarchy that own-hierarchy.ts mounts: the OCI runtime enters that before it forks, and
 * leaves it alone, as its processes do.
 *
 * @param hierarchy - the mount point of that hierarchy
 * @param mounted - tells whether it is mounted
 */
export function execGroups(instance: string, hierarchy: string, mounted: Promise<boolean>): MakeExecGroup {
  return async (id, exec) => {
    const own = await mounted
    const name = `exec-${exec}`
    const path = join(own ? hierarchy : unified, containerCgroup(instance, id), name)
    try {
      mkdirSync(path, { recursive: own })
    } catch {
      return undefined
    }
    return {
      options: own ? [] : ['--cgroup', name],
      entrance: own ? join(path, 'cgroup.procs') : undefined,
      processes: () => processesOf(path),
      remove: () => isRemoved(path),
    }
  }
}

function isRemoved(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EBUSY') return false
    if (code === 'ENOENT') return true
    throw error
  }
}
