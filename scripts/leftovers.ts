/**
 * What the tests could leave on the host. A picture is taken before and after; whatever is new stayed behind.
 */
import { spawnSync } from 'node:child_process'
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** The kind of what was left in the tests' own temporary directory. */
const temporary = 'temporary file'

/** crun 1.8.1 leaves an empty directory of this name now and then, which is its own fault. */
const ofCrun = /^crun\.\w{6}$/

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
  return entriesOf(directory)
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
}

/** What a file of /proc says of a process; nothing once it has ended. */
function about(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/** The processes that were started below one that had `mark` in its environment. */
export function markedProcesses(mark: string): number[] {
  return namesIn('/proc')
    .filter((name) => /^\d+$/.test(name) && about(name, 'environ').includes(mark))
    .map(Number)
}

/** Processes of ours: by their environment, their command line, or the cgroup they are in. */
function processes(mark: string): string[] {
  const marked = new Set(markedProcesses(mark))
  return namesIn('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const command = about(pid, 'cmdline').replaceAll('\0', ' ').trim()
      // `HIERARCHY:NAME:PATH`: a hierarchy may well have our name while this process is in its root.
      const groups = about(pid, 'cgroup').replaceAll(/^\d+:[^:]*:/gm, '')
      const isOurs = marked.has(Number(pid)) || /moorage/.test(`${command}\n${groups}`)
      return command !== '' && isOurs ? [`${pid} ${command.slice(0, 200)}`] : []
    })
}

/**
 * Takes a picture of what there is.
 *
 * @param mark - what the environment of the tests has, and that of nothing else
 * @param directory - the tests' own temporary directory
 */
export function takePicture(mark: string, directory: string): Picture {
  return new Map([
    ['network namespace', new Set(linesOf('ip', 'netns').map((line) => line.split(' ')[0] ?? line))],
    ['network link', new Set(links())],
    ['nft table', new Set(linesOf('nft', 'list', 'tables'))],
    ['iptables rule', new Set(iptablesRules())],
    ['mount', new Set(mounts())],
    ['cgroup', new Set(cgroups())],
    ['process', new Set(processes(mark))],
    [temporary, new Set(namesIn(directory).filter((name) => !ofCrun.test(name)))],
    ['file in /dev/shm', new Set(namesIn('/dev/shm'))],
    [`file in ${tmpdir()}`, new Set(namesIn(tmpdir()).filter((name) => name.startsWith('moorage')))],
  ])
}

/** The rules of both kinds of iptables: chains of the older kind are in no nft table. */
function iptablesRules(): string[] {
  return ['iptables-legacy-save', 'ip6tables-legacy-save', 'iptables-save', 'ip6tables-save'].flatMap(
    (save) =>
      linesOf(save)
        .filter((line) => /^(?::|-A)/.test(line))
        // Counters of packets change by themselves.
        .map((line) => `${save}: ${line.replace(/ \[\d+:\d+\]/g, '')}`),
  )
}

/** What `after` has and `before` had not, each as `kind name`. */
export function difference(before: Picture, after: Picture): string[] {
  return [...after].flatMap(([kind, things]) =>
    [...things].filter((thing) => !before.get(kind)?.has(thing)).map((thing) => `${kind} ${thing}`),
  )
}

/** How much of a directory is told. */
const mostNames = 10

/** What is in a directory, and in those within: names from its top on, the nearest first; `…` where there are more. */
export function contentsOf(directory: string): string[] {
  const names: string[] = []
  // Those still to be looked into, so that what is near comes before what is deep.
  const waiting = ['']
  for (const within of waiting) {
    for (const entry of entriesOf(join(directory, within))) {
      if (names.length === mostNames) return [...names, '…']
      const name = join(within, entry.name)
      names.push(entry.isDirectory() ? `${name}/` : name)
      if (entry.isDirectory()) waiting.push(name)
    }
  }
  return names
}

/** Returns what was left, with what says more about it. `directory` is the tests' own temporary directory. */
export function describeLeft(thing: string, directory: string): string {
  const name = thing.startsWith(`${temporary} `) ? thing.slice(temporary.length + 1) : undefined
  if (name === undefined) return thing
  const path = join(directory, name)
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return thing
  return `${thing}: ${contentsOf(path).join(' ') || 'empty'}`
}

/** Looks until nothing is left, for as long as `patience` in milliseconds: the kernel destroys namespaces later. */
export async function findLeftovers(
  before: Picture,
  mark: string,
  directory: string,
  patience = 5_000,
): Promise<string[]> {
  const deadline = performance.now() + patience
  for (;;) {
    const left = difference(before, takePicture(mark, directory))
    if (left.length === 0 || performance.now() > deadline) return left
    await sleep(100)
  }
}

/** Ends what still runs of the tests, first by SIGTERM, at which a daemon clears up after itself. */
export async function endMarked(mark: string): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const deadline = performance.now() + 10_000
    for (const pid of markedProcesses(mark)) {
      try {
        process.kill(pid, signal)
      } catch {
        // it ended meanwhile
      }
    }
    while (markedProcesses(mark).length > 0 && performance.now() < deadline) await sleep(50)
  }
}
