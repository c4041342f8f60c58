import { statfs } from 'node:fs/promises'
import { resolve } from 'node:path'
import { causeText } from '../errors/index.ts'
import { checkImageTools } from '../images/index.ts'
import { nearestExisting } from '../make-directory.ts'
import { checkHost } from '../network/index.ts'
import { checkOci } from '../runtime/oci/index.ts'

/** One thing that the host must have, and the remedy where it does not. */
export interface Probe {
  group: string
  name: string
  ok: boolean
  detail: string
  remedy: string
  /** True if it could not be looked at, so that nothing is known about it; `ok` is false, and `detail` says why. */
  skipped?: true
}

/** The free space, in bytes, below which images and results do not fit. */
const leastFree = 2 * 1024 ** 3

/**
 * Checks everything that the embedded runtime needs of this host, each by itself, where a daemon with these directories
 * would need it. The first probe tells whether this user can look at everything.
 */
export async function checkEverything(
  stateDirectory = '/var/lib/moorage',
  runDirectory = '/run/moorage',
): Promise<Probe[]> {
  const directories = { stateDirectory: resolve(stateDirectory), runDirectory: resolve(runDirectory) }
  const groups = await Promise.all([
    grouped('network', checkHost(directories.runDirectory)),
    grouped('containers', checkOci(directories)),
    grouped('images', checkImageTools()),
    grouped('disk', checkDisk(directories.stateDirectory)),
  ])
  return groups.flat()
}

async function grouped(group: string, probes: Promise<Omit<Probe, 'group'>[]>): Promise<Probe[]> {
  try {
    return (await probes).map((probe) => ({ group, ...probe }))
  } catch (error) {
    const detail = `this check itself failed: ${causeText(error)}`
    return [{ group, name: group, ok: false, detail, remedy: 'please report it' }]
  }
}

async function checkDisk(stateDirectory: string): Promise<Omit<Probe, 'group'>[]> {
  const name = 'free space'
  try {
    const { bavail, bsize } = await statfs(await nearestExisting(stateDirectory))
    const free = bavail * bsize
    return [
      {
        name,
        ok: free >= leastFree,
        detail: `${(free / 1024 ** 3).toFixed(1)} GiB free for ${stateDirectory}`,
        remedy: 'free some space there, or move the state with --state-dir',
      },
    ]
  } catch (error) {
    const detail = `not looked at: ${causeText(error)}`
    return [{ name, ok: false, skipped: true, detail, remedy: `see what ${stateDirectory} is` }]
  }
}
