import {
  type Binding,
  type Definition,
  digestOfHost,
  digestOfImage,
  digestOfRootfs,
  digestOfScratch,
  type ExecOperation,
  type Mount,
  normalPath,
  type Operation,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ResolvedImage } from '../../images/index.ts'
import { refuseLockConflicts } from './lock-conflicts.ts'
import { planExecOperation, planHostService } from './plan-exec.ts'
import { type EarlierPlans, planFilesOperation } from './plan-files.ts'
import {
  emptyConfig,
  type PlannedBinding,
  type PlannedExec,
  type PlannedFilesystem,
  type PlannedMount,
  type PlannedPart,
  type PlannedRoot,
} from './planned.ts'
import { checkPlatform } from './platform.ts'
import { refuseStartCycles } from './start-cycle.ts'

/** Gives the plan its root filesystems. */
export interface Sources {
  image(ref: string, pull: 'always' | undefined): Promise<ResolvedImage>
  /** Returns the path of a directory that a client sent. @throws MoorageError BLOB_MISSING */
  tree(digest: string): string
}

/**
 * Plans a definition of an exec: pins its images and computes the digests of its vertices. Runs nothing.
 *
 * @throws MoorageError INVALID_DEFINITION, NO_COMMAND, START_CYCLE, VOLUME_DEADLOCK, and what resolving an image
 *    throws
 */
export async function planExec(definition: Definition, sources: Sources): Promise<PlannedExec> {
  refuseStartCycles(definition)
  const exec = await planOperations(definition, sources).exec(definition.root)
  refuseLockConflicts(exec)
  return exec
}

/** Plans a definition of a file or a directory, in the same way. */
export async function planPart(definition: Definition, sources: Sources): Promise<PlannedPart> {
  refuseStartCycles(definition)
  const part = await planOperations(definition, sources).part(definition.root)
  refuseLockConflicts(part)
  return part
}

/** Plans operations on demand, with those that they name, each once. */
function planOperations(definition: Definition, sources: Sources) {
  const planned = new Map<number, Promise<PlannedPart>>()

  const operation = (index: number): Operation => {
    const operation = definition.ops[index]
    if (operation === undefined) throw invalid(`there is no operation ${index}`)
    return operation
  }

  const part = (index: number): Promise<PlannedPart> => {
    let plan = planned.get(index)
    if (plan === undefined) {
      plan = planOperation(operation(index), index)
      planned.set(index, plan)
    }
    return plan
  }

  const filesystem = async (index: number): Promise<PlannedFilesystem> => {
    const planned = await part(index)
    if (planned.kind === 'file') throw invalid(`operation ${index} is a file, not a filesystem`)
    return planned
  }

  const earlier = (index: number, by: number): number => {
    if (index >= by) throw invalid(`operation ${by} names operation ${index}, which is not an earlier one`)
    return index
  }

  const planOperation = async (op: Operation, index: number): Promise<PlannedPart> => {
    switch (op.op) {
      case 'image':
        checkPlatform(op.platform)
        return rootOfImage(await sources.image(op.ref, op.pull))
      case 'scratch':
        return {
          kind: 'root',
          digest: digestOfScratch(),
          ref: 'scratch',
          name: 'scratch',
          directory: null,
          config: emptyConfig,
        }
      case 'rootfs': {
        const directory = operation(earlier(op.directory, index))
        if (directory.op !== 'host') return planFilesOperation(op, index, earlierPlans)
        return rootOfTree(digestOfRootfs(directory.digest), directory.digest, sources.tree(directory.digest))
      }
      case 'host':
        return rootOfTree(digestOfHost(op.digest), op.digest, sources.tree(op.digest))
      case 'exec':
        return exec(op, index)
      case 'hostService':
      case 'cacheVolume':
        throw invalid(`operation ${index}, a ${op.op}, is no filesystem`)
      default:
        return planFilesOperation(op, index, earlierPlans)
    }
  }

  const execAt = async (index: number): Promise<PlannedExec> => {
    const op = operation(index)
    if (op.op === 'hostService') return planHostService(op)
    const planned = await filesystem(index)
    if (planned.kind !== 'exec') throw invalid(`operation ${index} is not an exec`)
    return planned
  }

  const exec = async (op: ExecOperation, index: number): Promise<PlannedExec> => {
    // Side by side, so that two images that are not stored yet are fetched at the same time.
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
    return planExecOperation(op, input, volumes, mounts, bindings)
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

  const earlierPlans: EarlierPlans = {
    part: (index, by) => part(earlier(index, by)),
    filesystem: (index, by) => filesystem(earlier(index, by)),
    bindings: planBindings,
  }

  return { exec: execAt, part }
}

function rootOfImage({ ref, digest, rootfs, config, name }: ResolvedImage): PlannedRoot {
  return { kind: 'root', digest: digestOfImage(digest), ref, name, directory: rootfs, config }
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
