import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkImageTools } from '../images/index.ts'
import { checkHost } from '../network/index.ts'
import { checkOci } from '../runtime/oci/index.ts'

/** One thing that the host must have, and the remedy where it does not. */
export interface Probe {
  group: string
  name: string
  ok: boolean
  detail: string
  remedy: string
}

/** The free space, in bytes, below which images and results do not fit. */
const leastFree = 2 * 1024 ** 3

/** Checks everything that the embedded runtime needs of this host, each by itself. */
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
      ok: free >= leastFree,
      detail: `${(free / 1024 ** 3).toFixed(1)} GiB free for ${stateDirectory}`,
      remedy: 'free some space there, or move the state with --state-dir',
    },
  ]
}

/** Finds the directory, or the nearest above it that exists. */
async function nearest(directory: string): Promise<string> {
  try {
    await statfs(directory)
    return directory
  } catch {
    return directory === '/' ? '/' : nearest(dirname(directory))
  }
}
