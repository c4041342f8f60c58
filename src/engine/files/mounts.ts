import { rm } from 'node:fs/promises'
import type { ContainerMount } from '../../runtime/runtime.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { EngineContext } from '../context.ts'
import type { PlannedExec, PlannedMount } from '../plan/planned.ts'
import { filesystemOf } from './filesystem.ts'
import type { FilesystemRequest } from './layer.ts'
import { locate, openTree } from './tree.ts'

/**
 * Makes what an exec mounts besides volumes. Each mount is a view of its own that ends with the container: what the
 * container changes in it is in no result.
 *
 * @throws MoorageError PATH_NOT_FOUND, PATH_UNSUITABLE, and what making the sources throws
 */
export async function mountsOf(
  context: EngineContext,
  exec: PlannedExec,
  request: FilesystemRequest,
): Promise<ContainerMount[]> {
  // All are settled before an error is reported, so that nothing is added to `releases` after they have run.
  const settled = await Promise.allSettled(exec.mounts.map((mount) => mountOf(context, mount, request)))
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

async function mountOf(
  context: EngineContext,
  mount: PlannedMount,
  request: FilesystemRequest,
): Promise<ContainerMount> {
  const destination = mount.path
  if (mount.type === 'temp') {
    const { size, owner, mode } = mount
    return withoutUndefined({ type: 'temporary' as const, destination, size, owner, mode })
  }
  const { filesystem, paths, name } = locate(mount.source)
  const layers = await filesystemOf(context, filesystem, request)
  // Checked here, where the error can say what is missing; the launcher could only say that the start failed.
  using tree = openTree(context, layers)
  tree.find(paths, { name, kind: mount.type })[Symbol.dispose]()
  const scratch = await context.store.temporary()
  request.releases.add('remove what it wrote into a mount', () =>
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
