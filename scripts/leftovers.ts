/**
 * What the tests could leave on the host. A picture is taken before and after; whatever is new stayed behind.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What there is, by kind. */
export type Picture = ReadonlyMap<string, ReadonlySet<string>>

/** A command's lines; none where it cannot run (not root, not installed), since then nothing was made either. */
function linesOf(command: string, ...args: string[]): string[] {
  const { stdout } = spawnSync(command, args, { encoding: 'utf8' })
  return (stdout ?? '').split('\n').filter((line) => line.trim() !== '')
}

/** A directory's names; none where it is gone, as those of /proc and of cgroups may be at any moment. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function links(): string[] {
  return linesOf('ip', '-o', 'link').map((line) => line.split(/[:@]\s?/)[1] ?? line)
}

function mounts(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .trim()
    .split('\n')
    .map((line) => `${line.split(' ')[4]} (${line.split(' - ')[1]?.split(' ')[0]})`)
}

function cgroups(directory = '/sys/fs/cgroup', depth = 0): string[] {
  if (depth > 5) return []
  return directoriesIn(directory).flatMap((name) => {
    const path = join(directory, name)
    return [...(name.includes('moorage') ? [path] : []), ...cgroups(path, depth + 1)]
  })
}

function directoriesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
  } catch {
    return []
  }
}

/** Processes of ours: by their command line, their working directory, or the cgroup they are in. */
function processes(root: string): string[] {
  return namesIn('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        // `HIERARCHY:NAME:PATH`: a hierarchy may well have our name while this process is in its root.
        const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8').replaceAll(/^\d+:[^:]*:/gm, '')
        const marks = [command, groups, readlinkSync(`/proc/${pid}/cwd`)].join('\n')
        const isOurs = /moorage|launcher/.test(marks) || marks.includes(root)
        return command !== '' && isOurs ? [`${pid} ${command.slice(0, 200)}`] : []
      } catch {
        return [] // it ended meanwhile
      }
    })
}

export function takePicture(root: string): Picture {
  return new Map([
    ['network namespace', new Set(linesOf('ip', 'netns').map((line) => line.split(' ')[0] ?? line))],
    ['network link', new Set(links())],
    ['nft table', new Set(linesOf('nft', 'list', 'tables'))],
    ['mount', new Set(mounts())],
    ['cgroup', new Set(cgroups())],
    ['process', new Set(processes(root))],
    ['temporary directory', new Set(namesIn(tmpdir()).filter((name) => name.startsWith('moorage')))],
  ])
}

/** What `after` has and `before` had not, each as `kind name`. */
export function difference(before: Picture, after: Picture): string[] {
  return [...after].flatMap(([kind, things]) =>
    [...things].filter((thing) => !before.get(kind)?.has(thing)).map((thing) => `${kind} ${thing}`),
  )
}

/** Looks until nothing is left, for as long as `patience` in milliseconds: the kernel destroys namespaces later. */
export async function findLeftovers(before: Picture, root: string, patience = 5_000): Promise<string[]> {
  const deadline = performance.now() + patience
  for (;;) {
    const left = difference(before, takePicture(root))
    if (left.length === 0 || performance.now() > deadline) return left
    await sleep(100)
  }
}
