import { bytesOf, isCapability, isUlimit, type Resources, smallestMemory } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'

/** Bytes, or a number with its unit: `'512m'`, `'1.5g'`. */
export type Size = number | string

/** A soft and a hard limit of setrlimit(2); one number is both. */
type Ulimit = number | { soft: number; hard: number }

/** Limits on what a container may use, and its privileges. */
export interface ResourceOptions {
  /** Memory limit. A process that the kernel kills at this limit is reported as `OUT_OF_MEMORY`. @defaultValue no limit */
  memory?: Size
  /** Number of processors; 0.5 is half of one. @defaultValue no limit */
  cpus?: number
  /** Number of processes and threads. @defaultValue 4096 */
  pids?: number
  /** Size of /dev/shm. @defaultValue 64 MiB */
  shmSize?: Size
  /** Limits by names like `nofile`, `core`, `memlock`; each is cut to what the daemon may grant. */
  ulimits?: Readonly<Record<string, Ulimit>>
  /** Capabilities by names like `NET_ADMIN`; `drop` comes first, `ALL` drops every one. */
  capabilities?: { add?: readonly string[]; drop?: readonly string[] }
  /** Start a small init as the first process: it passes signals on and collects orphans. */
  init?: boolean
}

/** @throws MoorageError INVALID_OPTION */
export function resourcesOf(options: ResourceOptions): Resources {
  const { memory, cpus, pids, shmSize, ulimits, capabilities, init } = options
  return withoutUndefined({
    memory: memory === undefined ? undefined : sizeOf('memory', memory, smallestMemory),
    cpus: cpus === undefined ? undefined : atLeast('cpus', cpus, 0.01),
    pids: pids === undefined ? undefined : whole('pids', pids, 1),
    shmSize: shmSize === undefined ? undefined : sizeOf('shmSize', shmSize, 4_096),
    ulimits: ulimits && Object.fromEntries(Object.entries(ulimits).map(ulimitOf)),
    capabilities: capabilities && capabilitiesOf(capabilities),
    init,
  })
}

/** Adds later resources to earlier ones. What both name (a field, a ulimit, a capability) is as the later ones say. */
export function mergeResources(earlier: Resources, later: Resources): Resources {
  const ulimits = later.ulimits && { ...earlier.ulimits, ...later.ulimits }
  const capabilities = later.capabilities && mergeCapabilities(earlier.capabilities ?? {}, later.capabilities)
  return { ...earlier, ...later, ...withoutUndefined({ ulimits, capabilities }) }
}

type Capabilities = NonNullable<Resources['capabilities']>

function mergeCapabilities(earlier: Capabilities, later: Capabilities): Capabilities {
  const named = new Set([...(later.add ?? []), ...(later.drop ?? [])])
  if (named.has('ALL')) return later
  const merge = (names: readonly string[] = [], added: readonly string[] = []) => {
    const merged = [...names.filter((name) => !named.has(name)), ...added]
    return merged.length === 0 ? undefined : merged
  }
  return withoutUndefined({ add: merge(earlier.add, later.add), drop: merge(earlier.drop, later.drop) })
}

function sizeOf(option: string, size: Size, least: number): number {
  const bytes = bytesOf(size)
  if (bytes === undefined) throw invalid(option, `"${size}" is not a size: bytes, or like 512m, 1.5g`)
  return atLeast(option, bytes, least)
}

function ulimitOf([name, limit]: [string, Ulimit]): [string, Ulimit] {
  if (!isUlimit(name)) throw invalid(`ulimit ${name}`, 'is no limit, such as nofile')
  const { soft, hard } = typeof limit === 'number' ? { soft: limit, hard: limit } : limit
  whole(`ulimit ${name}`, soft, 0)
  if (whole(`ulimit ${name}`, hard, 0) < soft) {
    throw invalid(`ulimit ${name}`, `its soft limit ${soft} is above its hard one ${hard}`)
  }
  return [name, typeof limit === 'number' ? limit : { soft, hard }]
}

function capabilitiesOf({ add, drop }: NonNullable<ResourceOptions['capabilities']>): Capabilities {
  const namesOf = (texts: readonly string[], alsoValid?: string) =>
    texts.map((text) => {
      const name = text.toUpperCase().replace(/^CAP_/, '')
      if (isCapability(name) || name === alsoValid) return name
      throw invalid(`capability ${text}`, 'is no capability, such as NET_ADMIN')
    })
  return withoutUndefined({ add: add && namesOf(add), drop: drop && namesOf(drop, 'ALL') })
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
