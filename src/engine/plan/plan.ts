import {
  type Binding,
  type Definition,
  type ExecOperation,
  execVertex,
  type HostPort,
  type HostServiceOperation,
  hostnameOf,
  hostServiceVertex,
  hostVertex,
  imageVertex,
  labelOf,
  type Mount,
  type MountVertex,
  normalPath,
  type Operation,
  portForwardText,
  type Resources,
  rootfsVertex,
  type ServiceOptions,
  type Sharing,
  scratchVertex,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ImageConfig, ResolvedImage } from '../../images/index.ts'
import { refuseLockConflicts } from './lock-conflicts.ts'
import { type FilesystemPlanner, isFresh, planFiles } from './plan-files.ts'
import type { PlannedChange, PlannedDirectory, PlannedFile, PlannedMount } from './planned-files.ts'
import { checkPlatform } from './platform.ts'
import { refuseStartCycles } from './start-cycle.ts'

/** A root filesystem that stands ready on disk. */
export interface PlannedRoot {
  readonly kind: 'root'
  readonly digest: string
  /** For people: the image's reference. */
  readonly ref: string
  /** For people: the image's base name. */
  readonly name: string
  readonly directory: string | null
  readonly config: ImageConfig
}

/** An exec vertex: everything that its process can see, with the image's defaults worked in. */
export interface PlannedExec {
  readonly kind: 'exec'
  readonly digest: string
  readonly label: string
  readonly hostname: string
  readonly customName: string | undefined
  readonly input: PlannedFilesystem
  /** The root at the beginning of its chain. */
  readonly root: PlannedRoot
  readonly args: readonly string[]
  readonly env: readonly (readonly [name: string, value: string])[]
  readonly user: string
  readonly workdir: string
  readonly stdin: string | undefined
  readonly expect: 'success' | 'any' | readonly number[]
  readonly volumes: readonly PlannedVolume[]
  /** What else is mounted. */
  readonly mounts: readonly PlannedMount[]
  readonly bindings: readonly PlannedBinding[]
  readonly resources: Resources
  /** Its own, or that of one it descends from. */
  readonly noCache: boolean
  /** No command at all, but ports of the host as a service. */
  readonly hostPorts?: readonly HostPort[]
}

export type PlannedFilesystem = PlannedRoot | PlannedExec | PlannedChange | PlannedDirectory

export interface PlannedVolume {
  readonly path: string
  readonly name: string
  readonly sharing: Sharing
}

export interface PlannedBinding {
  readonly alias: string
  readonly service: PlannedService
}

/** An exec to be run as a service, as one binder wants it. */
export interface PlannedService {
  readonly exec: PlannedExec
  readonly options: ServiceOptions
}

/** Where the plan gets its roots from. */
export interface Sources {
  image(ref: string, pull: 'always' | undefined): Promise<ResolvedImage>
  /** The directory of a tree that a client sent. */
  tree(digest: string): string
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
export const emptyConfig: ImageConfig = {
  entrypoint: [],
  cmd: [],
  env: [],
  user: '',
  workdir: '',
  exposedPorts: [],
}

/**
 * Pins the images of a definition and computes its vertices' digests. Runs nothing.
 *
 * @throws MoorageError INVALID_DEFINITION, NO_COMMAND, and whatever resolving an image throws
 */
export async function planExec(definition: Definition, sources: Sources): Promise<PlannedExec> {
  refuseStartCycles(definition)
  const exec = await planner(definition, sources).exec(definition.root)
  refuseLockConflicts(exec)
  return exec
}

/** The same for a definition of a file or of a directory. */
export async function planPart(
  definition: Definition,
  sources: Sources,
): Promise<PlannedFilesystem | PlannedFile> {
  refuseStartCycles(definition)
  const part = await planner(definition, sources).part(definition.root)
  refuseLockConflicts(part)
  return part
}

function planner(definition: Definition, sources: Sources) {
  const planned = new Map<number, Promise<PlannedFilesystem | PlannedFile>>()

  const operation = (index: number): Operation => {
    const found = definition.ops[index]
    if (found === undefined) throw invalid(`there is no operation ${index}`)
    return found
  }

  const part = (index: number): Promise<PlannedFilesystem | PlannedFile> => {
    let plan = planned.get(index)
    if (plan === undefined) {
      plan = planOperation(operation(index), index)
      planned.set(index, plan)
    }
    return plan
  }

  const filesystem = async (index: number): Promise<PlannedFilesystem> => {
    const found = await part(index)
    if (found.kind === 'file') throw invalid(`operation ${index} is a file, not a filesystem`)
    return found
  }

  const earlier = (index: number, by: number): number => {
    if (index >= by) throw invalid(`operation ${by} names operation ${index}, which is not an earlier one`)
    return index
  }

  const planOperation = async (op: Operation, index: number): Promise<PlannedFilesystem | PlannedFile> => {
    switch (op.op) {
      case 'image':
        checkPlatform(op.platform)
        return rootOfImage(await sources.image(op.ref, op.pull))
      case 'scratch':
        return {
          kind: 'root',
          digest: scratchVertex(),
          ref: 'scratch',
          name: 'scratch',
          directory: null,
          config: emptyConfig,
        }
      case 'rootfs': {
        const directory = operation(earlier(op.directory, index))
        if (directory.op !== 'host') return planFiles(op, index, files)
        return rootOfTree(rootfsVertex(directory.digest), directory.digest, sources.tree(directory.digest))
      }
      case 'host':
        return rootOfTree(hostVertex(op.digest), op.digest, sources.tree(op.digest))
      case 'exec':
        return exec(op, index)
      case 'hostService':
      case 'cacheVolume':
        throw invalid(`operation ${index}, a ${op.op}, is no filesystem`)
      default:
        return planFiles(op, index, files)
    }
  }

  const execAt = async (index: number): Promise<PlannedExec> => {
    const op = operation(index)
    if (op.op === 'hostService') return describeHostService(op)
    const found = await filesystem(index)
    if (found.kind !== 'exec') throw invalid(`operation ${index} is not an exec`)
    return found
  }

  const exec = async (op: ExecOperation, index: number): Promise<PlannedExec> => {
    // Side by side: two images that are not here yet are fetched at once.
    const [input, bindings, mounts] = await Promise.all([
      filesystem(earlier(op.input, index)),
      planBindings(op.bindings ?? [], index),
      planMounts(op.mounts ?? [], index),
    ])
    const caches = (op.mounts ?? []).filter((mount) => mount.type === 'cache')
    const volumes = caches.map(({ path, volume, sharing }) => {
      const source = operation(earlier(volume, index))
      if (source.op !== 'cacheVolume') throw invalid(`operation ${index}: ${path} is mounted from no volume`)
      return { path, name: source.name, sharing }
    })
    return describeExec(op, input, volumes, mounts, bindings)
  }

  const planBindings = (bindings: readonly Binding[], index: number): Promise<PlannedBinding[]> =>
    Promise.all(
      bindings.map(async ({ alias, service: { exec: bound, ...options } }) => ({
        alias,
        service: { exec: await execAt(earlier(bound, index)), options },
      })),
    )

  const planMounts = async (mounts: readonly Mount[], index: number): Promise<PlannedMount[]> => {
    const all = await Promise.all(
      mounts.map(async (mount): Promise<PlannedMount[]> => {
        if (mount.type === 'cache') return []
        const path = normalPath(mount.path)
        if (mount.type === 'temp') return [{ ...mount, path }]
        const source = await part(earlier(mount.source, index))
        if ((source.kind === 'file') !== (mount.type === 'file')) {
          throw invalid(`operation ${index}: what is mounted at ${path} is no ${mount.type}`)
        }
        return [{ type: mount.type, path, source }]
      }),
    )
    return all.flat().sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  const files: FilesystemPlanner = {
    part: (index, by) => part(earlier(index, by)),
    filesystem: (index, by) => filesystem(earlier(index, by)),
    bindings: planBindings,
  }

  return { exec: execAt, part }
}

function describeExec(
  op: ExecOperation,
  input: PlannedFilesystem,
  volumes: PlannedVolume[],
  mounts: PlannedMount[],
  bindings: PlannedBinding[],
): PlannedExec {
  const root = rootOf(input)
  const { config } = root
  const process = {
    args: commandOf(op, root),
    env: environmentOf(config, op.env ?? []),
    user: op.user ?? config.user,
    workdir: op.workdir ?? (config.workdir || '/'),
    stdin: op.stdin,
    expect: op.expect ?? 'success',
  }
  const sortedVolumes = volumes.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const digest = execVertex({
    input: input.digest,
    ...process,
    mounts: [
      ...sortedVolumes.map(({ path, name, sharing }) => ({
        type: 'cache' as const,
        path,
        volume: name,
        sharing,
      })),
      ...mounts.map(mountVertex),
    ],
    bindings: bindings.map(({ alias, service }) => ({ alias, service: service.exec.digest })),
    hostname: op.hostname,
    instance: op.instance,
    resources: op.resources,
  })
  const label = labelOf(digest)
  return {
    kind: 'exec',
    digest,
    label,
    hostname: hostnameOf(label),
    customName: op.hostname,
    input,
    root,
    ...process,
    volumes: sortedVolumes,
    mounts,
    bindings,
    resources: op.resources ?? {},
    noCache:
      (op.noCache ?? false) ||
      isFresh(input) ||
      mounts.some((mount) => mount.type !== 'temp' && isFresh(mount.source)),
  }
}

function mountVertex(mount: PlannedMount): MountVertex {
  return mount.type === 'temp' ? mount : { ...mount, source: mount.source.digest }
}

/** The root at the beginning of a filesystem's chain. */
export function rootOf(filesystem: PlannedFilesystem): PlannedRoot {
  return filesystem.kind === 'root' ? filesystem : filesystem.root
}

/** As an exec that runs nothing, so that whatever knows services knows this one. */
function describeHostService({ ports }: HostServiceOperation): PlannedExec {
  const digest = hostServiceVertex(ports)
  const label = labelOf(digest)
  const root: PlannedRoot = {
    kind: 'root',
    digest: scratchVertex(),
    ref: 'host',
    name: 'host',
    directory: null,
    config: emptyConfig,
  }
  return {
    kind: 'exec',
    digest,
    label,
    hostname: hostnameOf(label),
    customName: undefined,
    input: root,
    root,
    args: ports.map(portForwardText),
    env: [],
    user: '',
    workdir: '/',
    stdin: undefined,
    expect: 'success',
    volumes: [],
    mounts: [],
    bindings: [],
    resources: {},
    noCache: false,
    hostPorts: ports,
  }
}

/** What `docker run` would do: arguments replace the command, and the entrypoint too unless it is asked for. */
function commandOf(op: ExecOperation, { config, ref }: PlannedRoot): string[] {
  const entrypoint = op.entrypoint ?? config.entrypoint
  const args =
    op.args === undefined
      ? [...entrypoint, ...(op.defaultArgs ?? (op.entrypoint ? [] : config.cmd))]
      : op.useEntrypoint
        ? [...entrypoint, ...op.args]
        : op.args
  if (args.length === 0) throw new MoorageError('NO_COMMAND', { image: ref })
  return [...args]
}

function environmentOf(
  config: ImageConfig,
  changes: readonly (readonly [string, string | null])[],
): [string, string][] {
  const variables = new Map<string, string>([['PATH', defaultPath]])
  for (const assignment of config.env) {
    const equals = assignment.indexOf('=')
    if (equals > 0) variables.set(assignment.slice(0, equals), assignment.slice(equals + 1))
  }
  for (const [name, value] of changes) {
    if (value === null) variables.delete(name)
    else variables.set(name, value)
  }
  return [...variables].sort(([a], [b]) => (a < b ? -1 : 1))
}

function rootOfImage({ ref, digest, rootfs, config, name }: ResolvedImage): PlannedRoot {
  return { kind: 'root', digest: imageVertex(digest), ref, name, directory: rootfs, config }
}

function rootOfTree(digest: string, content: string, directory: string): PlannedRoot {
  const name = `directory ${content.slice(7, 19)}`
  return {
    kind: 'root',
    digest,
    ref: name,
    name: 'rootfs',
    directory,
    config: emptyConfig,
  }
}

export function invalid(reason: string): MoorageError {
  return new MoorageError('INVALID_DEFINITION', { reason })
}
