import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkImageTools } from '../images/index.ts'
import { checkHost } from '../network/index.ts'
import { checkOci } from '../runtime/oci/index.ts'

/** One thing that the host must have, and what to do where it does not. */
export interface Probe {
  group: string
  name: string
  ok: boolean
  detail: string
  remedy: string
}

/** Below this, images and results do not fit. */
const wantedFree = 2 * 1024 ** 3

/** Everything that the embedded runtime needs of this host, each looked at by itself. */
export async function checkEverything(
  stateDirectory = '/var/lib/moorage',
  runDirectory = '/run/moorage',
): Promise<Probe[]> {
  const groups = await Promise.all([
    grouped('network', checkHost(runDirectory)),
    grouped('containers', checkOci()),
    grouped('images', checkImageTools()),
    grouped('disk', checkDisk(stateDirectory)),
  ])
  return groups.flat()
}

async function grouped(group: string, probes: Promise<Omit<Probe, 'group'>[]>): Promise<Probe[]> {
  try {
    return (await probes).map((probe) => ({ group, ...probe }))
  } catch (error) {
    return [{ group, name: group, ok: false, detail: String(error), remedy: 'please report it' }]
  }
}

async function checkDisk(stateDirectory: string): Promise<Omit<Probe, 'group'>[]> {
  const place = await nearest(stateDirectory)
  const { bavail, bsize } = await statfs(place)
  const free = bavail * bsize
  return [
    {
      name: 'free space',
      ok: free >= wantedFree,
      detail: `${(free / 1024 ** 3).toFixed(1)} GiB free for ${stateDirectory}`,
      remedy: 'free some space there, or move the state with --state-dir',
    },
  ]
}

/** The directory, or the nearest above it that exists. */
async function nearest(directory: string): Promise<string> {
  try {
    await statfs(directory)
    return directory
  } catch {
    return directory === '/' ? '/' : nearest(dirname(directory))
  }
}
