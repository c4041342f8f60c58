import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ContainerResources } from '../../runtime.ts'
import { cgroupDirectories } from '../cgroups/cgroups.ts'
import { openFilesLimit, pidsLimit } from './defaults.ts'

/** How often the CPU time that was used is looked at, in microseconds; Docker's. */
const cpuPeriod = 100_000

/** On version 1, memory and swap together are counted only where the kernel was asked to. */
const memoryAndSwap = '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes'

/** `linux.resources` of a container's config.json. */
export function cgroupLimits({ memory, cpus, pids = pidsLimit }: ContainerResources): object {
  const countsSwap = !existsSync('/sys/fs/cgroup/memory') || existsSync(memoryAndSwap)
  return {
    devices: [{ allow: false, access: 'rwm' }],
    pids: { limit: pids },
    ...(memory === undefined ? {} : { memory: { limit: memory, ...(countsSwap ? { swap: memory } : {}) } }),
    ...(cpus === undefined ? {} : { cpu: { period: cpuPeriod, quota: Math.round(cpus * cpuPeriod) } }),
  }
}

/** What this process may raise each limit to: more is refused, also to root without SYS_RESOURCE. */
export type HardLimits = ReadonlyMap<string, number>

/** proc(5), /proc/PID/limits, as setrlimit(2) calls them. */
const names: Readonly<Record<string, string>> = {
  'Max address space': 'as',
  'Max core file size': 'core',
  'Max cpu time': 'cpu',
  'Max data size': 'data',
  'Max file locks': 'locks',
  'Max file size': 'fsize',
  'Max locked memory': 'memlock',
  'Max msgqueue size': 'msgqueue',
  'Max nice priority': 'nice',
  'Max open files': 'nofile',
  'Max pending signals': 'sigpending',
  'Max processes': 'nproc',
  'Max realtime priority': 'rtprio',
  'Max realtime timeout': 'rttime',
  'Max resident set': 'rss',
  'Max stack size': 'stack',
}

export function hardLimits(): HardLimits {
  const limits = new Map<string, number>()
  for (const line of readFileSync('/proc/self/limits', 'utf8').split('\n').slice(1)) {
    const [, label = '', hard = ''] = /^(.+?) {2,}\S+\s+(\S+)/.exec(line) ?? []
    const name = names[label]
    if (name !== undefined) limits.set(name, hard === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hard))
  }
  return limits
}

/** `process.rlimits`, and what was asked for and cannot be given, in words. */
export function processLimits(
  { ulimits = {} }: ContainerResources,
  allowed: HardLimits,
): { rlimits: object[]; notes: string[] } {
  const notes: string[] = []
  const cut = (name: string, limit: number) => Math.min(limit, allowed.get(name) ?? limit)
  const asked = Object.entries(ulimits).map(([name, limit]) => {
    const { soft, hard } = typeof limit === 'number' ? { soft: limit, hard: limit } : limit
    if (cut(name, hard) < hard) {
      notes.push(
        `the limit ${name} is ${cut(name, hard)} instead of ${hard}: the daemon itself is allowed no more`,
      )
    }
    return { type: `RLIMIT_${name.toUpperCase()}`, soft: cut(name, soft), hard: cut(name, hard) }
  })
  const open = cut('nofile', openFilesLimit)
  const files = 'nofile' in ulimits ? [] : [{ type: 'RLIMIT_NOFILE', soft: open, hard: open }]
  return { rlimits: [...files, ...asked], notes }
}

/** How many processes of a cgroup the kernel has killed for lack of memory; the cgroup must still be there. */
export function memoryKills(cgroup: string): number {
  for (const directory of cgroupDirectories(cgroup)) {
    // Version 2, and version 1.
    for (const name of ['memory.events', 'memory.oom_control']) {
      const path = join(directory, name)
      if (!existsSync(path)) continue
      const found = /^oom_kill (\d+)$/m.exec(readFileSync(path, 'utf8'))
      if (found) return Number(found[1])
    }
  }
  return 0
}
