import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/** Where the cgroup hierarchies are mounted: one, or on version 1 a dozen, each of which holds every container. */
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

/** The directories of a cgroup in all hierarchies where it exists. */
export function cgroupDirectories(name: string): string[] {
  return cgroupMounts()
    .map((mount) => join(mount, name))
    .filter((path) => existsSync(path))
}

/** The processes of a cgroup and of those below it, each once. */
export function processesIn(name: string): number[] {
  const pids = new Set<number>()
  for (const directory of cgroupDirectories(name)) {
    for (const group of withDescendants(directory)) {
      for (const pid of readProcesses(group)) pids.add(pid)
    }
  }
  return [...pids]
}

/** Removes a cgroup and those below it from all hierarchies; returns what was there. It must hold no process. */
export function removeCgroup(name: string): string[] {
  const removed: string[] = []
  for (const directory of cgroupDirectories(name)) {
    for (const group of withDescendants(directory)) {
      if (unlessGone(() => rmdirSync(group)) !== gone) removed.push(group)
    }
  }
  return removed
}

/**
 * What crun says about a hybrid hierarchy whose version 2 part holds a controller that is in none of version 1, or
 * nothing where it has no objection.
 */
export function hybridControllers(): string | undefined {
  const controllers = unlessGone(() => readFileSync('/sys/fs/cgroup/unified/cgroup.controllers', 'utf8'))
  return controllers === gone || controllers.trim() === '' ? undefined : controllers.trim()
}

/** Whether cgroups can be made in every hierarchy: the first that refuses, or nothing. */
export function refusedCgroup(name: string): string | undefined {
  for (const mount of cgroupMounts()) {
    const path = join(mount, name)
    try {
      mkdirSync(path)
      rmdirSync(path)
    } catch (error) {
      return (error as Error).message
    }
  }
  return undefined
}

/** Those below first, so that each can be removed in turn. */
function withDescendants(directory: string): string[] {
  const entries = unlessGone(() => readdirSync(directory, { withFileTypes: true }))
  if (entries === gone) return []
  const below = entries.filter((entry) => entry.isDirectory())
  return [...below.flatMap(({ name }) => withDescendants(join(directory, name))), directory]
}

function readProcesses(group: string): number[] {
  const text = unlessGone(() => readFileSync(join(group, 'cgroup.procs'), 'utf8'))
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
