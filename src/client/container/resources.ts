import { bytesOf, isCapability, isUlimit, type Resources, smallestMemory } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/** Bytes, or a number with its unit: `'512m'`, `'1.5g'`. */
export type Size = number | string

/** What a container may use, and what it is given. */
export interface ResourceOptions {
  /** A kill for lack of it is reported as that: `OUT_OF_MEMORY`. @defaultValue no limit */
  memory?: Size
  /** How many, in parts too: 0.5. @defaultValue no limit */
  cpus?: number
  /** Processes and threads. @defaultValue 4096 */
  pids?: number
  /** Size of /dev/shm. @defaultValue 64 MiB */
  shmSize?: Size
  /** By names like `nofile`, `core`, `memlock`; one number is both limits. What the daemon may not give is cut. */
  ulimits?: Readonly<Record<string, number | { soft: number; hard: number }>>
  /** By names like `NET_ADMIN`; `drop: ['ALL']` first, then what is added. */
  capabilities?: { add?: readonly string[]; drop?: readonly string[] }
  /** A small first process that passes signals on and collects orphans. */
  init?: boolean
}

/** @throws MoorageError INVALID_OPTION */
export function resourcesOf(options: ResourceOptions): Resources {
  const { memory, cpus, pids, shmSize, ulimits, capabilities, init } = options
  const limits = ulimits === undefined ? undefined : Object.fromEntries(Object.entries(ulimits).map(ulimitOf))
  return {
    ...(memory === undefined ? {} : { memory: sizeOf('memory', memory, smallestMemory) }),
    ...(cpus === undefined ? {} : { cpus: atLeast('cpus', cpus, 0.01) }),
    ...(pids === undefined ? {} : { pids: whole('pids', pids, 1) }),
    ...(shmSize === undefined ? {} : { shmSize: sizeOf('shmSize', shmSize, 4_096) }),
    ...(limits === undefined ? {} : { ulimits: limits }),
    ...(capabilities === undefined ? {} : { capabilities: capabilitiesOf(capabilities) }),
    ...(init === undefined ? {} : { init }),
  }
}

function sizeOf(option: string, size: Size, least: number): number {
  const bytes = bytesOf(size)
  if (bytes === undefined) throw invalid(option, `"${size}" is not a size: bytes, or like 512m, 1.5g`)
  return atLeast(option, bytes, least)
}

function ulimitOf([name, limit]: [string, number | { soft: number; hard: number }]): [
  string,
  number | { soft: number; hard: number },
] {
  if (!isUlimit(name)) throw invalid(`ulimit ${name}`, 'is no limit, such as nofile')
  const { soft, hard } = typeof limit === 'number' ? { soft: limit, hard: limit } : limit
  whole(`ulimit ${name}`, soft, 0)
  if (whole(`ulimit ${name}`, hard, 0) < soft) {
    throw invalid(`ulimit ${name}`, `its soft limit ${soft} is above its hard one ${hard}`)
  }
  return [name, typeof limit === 'number' ? limit : { soft, hard }]
}

function capabilitiesOf({ add, drop }: NonNullable<ResourceOptions['capabilities']>): {
  add?: string[]
  drop?: string[]
} {
  const named = (names: readonly string[], others: readonly string[]) =>
    names.map((given) => {
      const name = given.toUpperCase().replace(/^CAP_/, '')
      if (isCapability(name) || others.includes(name)) return name
      throw invalid(`capability ${given}`, 'is no capability, such as NET_ADMIN')
    })
  return {
    ...(add === undefined ? {} : { add: named(add, []) }),
    ...(drop === undefined ? {} : { drop: named(drop, ['ALL']) }),
  }
}

function whole(option: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value)) throw invalid(option, `${value} is not a whole number`)
  return atLeast(option, value, least)
}

function atLeast(option: string, value: number, least: number): number {
  if (Number.isFinite(value) && value >= least) return value
  throw invalid(option, `${value} is less than ${least}`)
}

function invalid(option: string, reason: string): MoorageError {
  return new MoorageError('INVALID_OPTION', { option, reason })
}
