import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/** Returns the cgroup of an instance, relative to each hierarchy. */
export function instanceCgroup(instance: string): string {
  return `moorage-${instance}`
}

/** Returns the cgroup of a container, which is below that of its instance. */
export function containerCgroup(instance: string, id: string): string {
  return join(instanceCgroup(instance), id)
}

/**
 * Lists the mount points of the cgroup hierarchies: one, or on version 1 a dozen, each of which holds every container.
 */
export function cgroupMounts(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    if (!/^cgroup2? /.test(after)) return []
    const path = before.split(' ')[4]
    // proc(5): blanks and backslashes are octal.
    return path === undefined
      ? []
      : [path.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))]
  })
}

/** Lists the directories of a cgroup, in those hierarchies that have it. */
function cgroupDirectories(cgroup: string, mounts: readonly string[] = cgroupMounts()): string[] {
  return mounts.map((mount) => join(mount, cgroup)).filter((path) => existsSync(path))
}

/** Lists the processes of a cgroup and of those below it, each once. */
export function processesIn(cgroup: string): number[] {
  return [...new Set(cgroupDirectories(cgroup).flatMap(processesOf))]
}

/** Lists the processes of a cgroup in one hierarchy and of those below it. */
export function processesOf(directory: string): number[] {
  return withDescendants(directory).flatMap(readProcesses)
}

/** Counts the processes of a cgroup that the kernel killed because it was out of memory; the cgroup must still exist. */
export function outOfMemoryKills(cgroup: string): number {
  for (const directory of cgroupDirectories(cgroup)) {
    // Version 2, and version 1.
    for (const name of ['memory.events', 'memory.oom_control']) {
      const path = join(directory, name)
      if (!existsSync(path)) continue
      const count = /^oom_kill (\d+)$/m.exec(readFileSync(path, 'utf8'))
      if (count) return Number(count[1])
    }
  }
  return 0
}

/**
 * Removes a cgroup and those below it; returns what was there. It must hold no process.
 *
 * @param mounts - the mount points of hierarchies. @defaultValue all
 */
export function removeCgroup(cgroup: string, mounts?: readonly string[]): string[] {
  const removed: string[] = []
  for (const directory of cgroupDirectories(cgroup, mounts)) {
    for (const descendant of withDescendants(directory)) {
      if (unlessGone(() => rmdirSync(descendant)) !== gone) removed.push(descendant)
    }
  }
  return removed
}

/** Makes a cgroup in every hierarchy and removes it again; returns the first refusal, if there is one. */
export function tryCgroup(cgroup: string): string | undefined {
  for (const mount of cgroupMounts()) {
    const path = join(mount, cgroup)
    try {
      mkdirSync(path)
      rmdirSync(path)
    } catch (error) {
      return (error as Error).message
    }
  }
  return undefined
}

/** Lists a directory and those below it, the deepest first, so that each can be removed in turn. */
function withDescendants(directory: string): string[] {
  const entries = unlessGone(() => readdirSync(directory, { withFileTypes: true }))
  if (entries === gone) return []
  const below = entries.filter((entry) => entry.isDirectory())
  return [...below.flatMap(({ name }) => withDescendants(join(directory, name))), directory]
}

function readProcesses(directory: string): number[] {
  const text = unlessGone(() => readFileSync(join(directory, 'cgroup.procs'), 'utf8'))
  // 0 is a process that this pid namespace does not see.
  return text === gone
    ? []
    : text
        .split('\n')
        .filter(Boolean)
        .map(Number)
        .filter((pid) => pid > 0)
}

const gone = Symbol('gone')

/** A cgroup may disappear at any moment: its last process ends and crun removes it. */
function unlessGone<T>(work: () => T): T | typeof gone {
  try {
    return work()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENODEV') return gone
    throw error
  }
}
