import { readFileSync } from 'node:fs'
import type { ContainerResources } from '../../runtime.ts'

/** Default limits of each process of a container, by their names; less where the daemon itself is allowed less. */
const defaultUlimits: Readonly<Record<string, number>> = { nofile: 1_048_576 }

/** The highest value to which this process may raise each limit: without SYS_RESOURCE the kernel refuses more to root, too. */
export type HardLimits = ReadonlyMap<string, number>

/** The labels of /proc/PID/limits (proc(5)), each with the limit's name in setrlimit(2). */
const limitNames: Readonly<Record<string, string>> = {
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

/** Reads the hard limits of this process. */
export function readHardLimits(): HardLimits {
  const limits = new Map<string, number>()
  for (const line of readFileSync('/proc/self/limits', 'utf8').split('\n').slice(1)) {
    const [, label = '', hard = ''] = /^(.+?) {2,}\S+\s+(\S+)/.exec(line) ?? []
    const name = limitNames[label]
    if (name !== undefined) limits.set(name, hard === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hard))
  }
  return limits
}

/** Returns `process.rlimits` of a container's config.json, and a note for each limit that is lower than requested. */
export function processLimits(
  { ulimits = {} }: ContainerResources,
  hardLimits: HardLimits,
): { rlimits: object[]; notes: string[] } {
  const notes: string[] = []
  const cap = (name: string, limit: number) => Math.min(limit, hardLimits.get(name) ?? limit)
  const rlimit = (name: string, soft: number, hard: number) => ({
    type: `RLIMIT_${name.toUpperCase()}`,
    soft: cap(name, soft),
    hard: cap(name, hard),
  })
  const requested = Object.entries(ulimits).map(([name, limit]) => {
    const { soft, hard } = typeof limit === 'number' ? { soft: limit, hard: limit } : limit
    if (cap(name, hard) < hard) {
      notes.push(
        `the limit ${name} is ${cap(name, hard)} instead of ${hard}: the daemon itself is allowed no more`,
      )
    }
    return rlimit(name, soft, hard)
  })
  const defaults = Object.entries(defaultUlimits)
    .filter(([name]) => !(name in ulimits))
    .map(([name, limit]) => rlimit(name, limit, limit))
  return { rlimits: [...defaults, ...requested], notes }
}
