/** Whose a network is: one small file beside its name, so that whoever comes after a crash can tell. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NetnsError, umount } from './kernel/index.ts'
import { namespaceDirectory } from './names.ts'

export interface Owner {
  name: string
  instance: string
  pid: number
  /** When that process began, in the kernel's ticks: a later process may have the same pid. */
  started: string
}

const suffix = '.json'
const ownerFile = (runDirectory: string, name: string) =>
  join(namespaceDirectory(runDirectory), `${name}${suffix}`)
export const namespacePath = (runDirectory: string, name: string) =>
  join(namespaceDirectory(runDirectory), name)

/** State and start time of a process (proc(5), /proc/PID/stat); undefined when there is none. */
function processOf(pid: number): { state: string; started: string } | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The second field is the command in parentheses, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] as string, started: fields[19] as string }
}

/** A zombie holds nothing any more, even when nobody ever reaps it. */
export function isAlive({ pid, started }: Owner): boolean {
  const found = processOf(pid)
  return found !== undefined && found.started === started && found.state !== 'Z' && found.state !== 'X'
}

export const isOwn = (owner: Owner) => owner.pid === process.pid && isAlive(owner)

function readOwner(runDirectory: string, name: string): Owner | undefined {
  try {
    const { instance, pid, started } = JSON.parse(readFileSync(ownerFile(runDirectory, name), 'utf8'))
    return { name, instance: String(instance), pid: Number(pid), started: String(started) }
  } catch {
    // Gone meanwhile, or written by halves when its process was killed: nobody's.
    return undefined
  }
}

/** The owners of all networks that have a name in this run directory. */
export function listOwners(runDirectory: string): Owner[] {
  const directory = namespaceDirectory(runDirectory)
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length))
    .map((name) => readOwner(runDirectory, name) ?? { name, instance: '', pid: 0, started: '' })
}

/**
 * Takes a name for this process; until `dropName` nobody else gets it.
 *
 * @throws NetnsError `NETWORK_EXISTS`
 */
export function claimName(runDirectory: string, name: string, instance: string): void {
  mkdirSync(namespaceDirectory(runDirectory), { recursive: true, mode: 0o755 })
  const { started } = processOf(process.pid) as { started: string }
  const owner = JSON.stringify({ instance, pid: process.pid, started })
  try {
    writeFileSync(ownerFile(runDirectory, name), owner, { flag: 'wx' })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    const holder = readOwner(runDirectory, name)
    const who = holder === undefined ? '' : `, of process ${holder.pid}`
    throw new NetnsError('NETWORK_EXISTS', `the network ${name} exists already${who}`, { cause })
  }
}

/** Gives the name back: its mount, its file, and at last what says whose it was. */
export function dropName(runDirectory: string, name: string): void {
  const path = namespacePath(runDirectory, name)
  try {
    umount(path)
  } catch (error) {
    // Not mounted, or not even there: it was never finished.
    if (!(error instanceof NetnsError && (error.errno === 'EINVAL' || error.errno === 'ENOENT'))) throw error
  }
  // The unlink also drops the copies of the mount that other mount namespaces have.
  rmSync(path, { force: true })
  rmSync(ownerFile(runDirectory, name), { force: true })
}
