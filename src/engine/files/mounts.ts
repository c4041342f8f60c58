import { rm } from 'node:fs/promises'
import type { ContainerMount } from '../../runtime/runtime.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { EngineContext } from '../context.ts'
import type { PlannedExec, PlannedMount } from '../plan/planned.ts'
import { filesystemOf } from './filesystem.ts'
import type { FilesystemRequest } from './layer.ts'
import { locate, openTree } from './tree.ts'

/**
 * What an exec mounts besides volumes: what its files and directories come from is made first, if it has to be. The
 * container gets a view of its own on each, which ends with it: what it changes there is in nobody's result.
 *
 * @throws MoorageError PATH_NOT_FOUND, PATH_UNSUITABLE, and what making the sources throws
 */
export async function mountsOf(
  context: EngineContext,
  exec: PlannedExec,
  wanted: FilesystemRequest,
): Promise<ContainerMount[]> {
  // All are settled before an error is reported, so that nothing is added to `releases` after they have run.
  const settled = await Promise.allSettled(exec.mounts.map((mount) => mountOf(context, mount, wanted)))
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}

async function mountOf(
  context: EngineContext,
  mount: PlannedMount,
  wanted: FilesystemRequest,
): Promise<ContainerMount> {
  const destination = mount.path
  if (mount.type === 'temp') {
    return withoutUndefined({ type: 'temporary' as const, destination, size: mount.size })
  }
  const { filesystem, paths, name } = locate(mount.source)
  const layers = await filesystemOf(context, filesystem, wanted)
  // Here the error can say what is missing where; the launcher would only see that the container cannot be started.
  using tree = openTree(context, layers)
  tree.find(paths, { name, kind: mount.type })[Symbol.dispose]()
  const scratch = await context.store.temporary()
  wanted.releases.add('remove what it wrote into a mount', () =>
    rm(scratch, { recursive: true, force: true }),
  )
  return {
    type: 'layers',
    destination,
    lowers: layers.length === 0 ? [context.store.empty] : layers,
    scratch,
    paths,
  }
}
