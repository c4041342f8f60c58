import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { instanceCgroup, processesIn, removeCgroup } from './cgroups/cgroups.ts'
import { overlayAnnotation } from './container/config.ts'
import { commandLines, isAlive, killAll } from './processes/processes.ts'
import { removeMountTarget, removeOverlay } from './rootfs/mount-rootfs.ts'
import { type RuntimePaths, runtimePaths } from './runtime-paths.ts'

export interface RecoveredContainers {
  /** Processes that were still there. */
  killed: number[]
  /** Cgroups and directories that were still there. */
  removed: string[]
}

/**
 * Removes every trace of containers that an earlier daemon of this instance left: its launcher cleans up when the daemon
 * dies, but may have been killed with it. Mounts are no such trace: they were in the launcher's mount namespace.
 *
 * The caller holds the lock on the instance's state directory, so that nobody starts containers of it meanwhile.
 */
export async function recoverContainers(options: {
  instance: string
  runDirectory: string
}): Promise<RecoveredContainers> {
  const { instance, runDirectory } = options
  const paths = runtimePaths(runDirectory)
  const cgroup = instanceCgroup(instance)
  // First the processes that make containers: a launcher that is still at work, and OCI runtimes that have not put their
  // container into its cgroup yet.
  const makers = await killAll(() => makersOf(paths, options))
  const contained = await killAll(() => processesIn(cgroup).filter(isAlive))
  const removed = removeCgroup(cgroup)
  for (const bundle of entriesOf(paths.bundles)) {
    const path = join(paths.bundles, bundle)
    const overlay = overlayOf(path)
    if (overlay !== undefined) await removeOverlay(overlay)
    removeMountTarget(join(path, 'rootfs'))
    await rm(path, { recursive: true, force: true })
    removed.push(path)
  }
  await rm(paths.root, { recursive: true, force: true })
  return { killed: [...makers, ...contained], removed }
}

function makersOf(
  paths: RuntimePaths,
  { instance, runDirectory }: { instance: string; runDirectory: string },
): number[] {
  const makers: number[] = []
  for (const { pid, args } of commandLines()) {
    const isLauncher =
      args.some((arg) => /^launcher\.[jt]s$/.test(basename(arg))) &&
      args.includes(instance) &&
      args.includes(runDirectory)
    const isTool = args.some((arg, i) => arg === '--root' && args[i + 1] === paths.state)
    if ((isLauncher || isTool) && pid !== process.pid && isAlive(pid)) makers.push(pid)
  }
  return makers
}

/** Returns the directory beside the container's upper, from its config.json; undefined if that was not written yet. */
function overlayOf(bundle: string): string | undefined {
  try {
    const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'))
    return config.annotations[overlayAnnotation]
  } catch {
    // Its start was interrupted: the store's own sweep removes the directory beside the upper.
    return undefined
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
