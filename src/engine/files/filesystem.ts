import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { EngineContext } from '../context.ts'
import { fetchedPath } from '../plan/plan-files.ts'
import type { PlannedChange, PlannedFetch, PlannedFile, PlannedFilesystem } from '../plan/planned.ts'
import { runHolder } from '../registry/wait-graph.ts'
import { applyChange } from './apply-change.ts'
import { fetchUrl } from './fetch.ts'
import { type FilesystemRequest, layerOf } from './layer.ts'
import { takeOutDirectory } from './take-out-directory.ts'
import { type LayerPlace, locate, openTree } from './tree.ts'

/**
 * Returns the directories of the layers of a filesystem, topmost first. The execs that make it are run if need be,
 * with their services; if all of it is stored, nothing is run and nothing is started.
 */
export async function filesystemOf(
  context: EngineContext,
  filesystem: PlannedFilesystem | PlannedFetch,
  request: FilesystemRequest,
): Promise<string[]> {
  const stored = storedLayers(context, filesystem)
  if (stored !== undefined) return stored
  switch (filesystem.kind) {
    case 'root':
      return filesystem.directory === null ? [] : [filesystem.directory]
    case 'exec': {
      const { network, waiter, caller, releases } = request
      // Noted, so that deadlocks of waits for volumes are found.
      using _waits = context.waits.add(waiter, runHolder(filesystem, network))
      const result = await context.evaluator.evaluateExec({ exec: filesystem, network, caller })
      releases.add('let go of a layer', () => result.release())
      return [...result.layers]
    }
    case 'change': {
      const { base, changes } = changesOf(filesystem)
      const below = await filesystemOf(context, base, request)
      const own = await layerOf(context, filesystem, request, (place, shared) =>
        applyChanges(context, { changes, below, place }, shared),
      )
      return [own, ...below]
    }
    case 'directory': {
      const { input } = filesystem
      if (filesystem.path === '/') return filesystemOf(context, input, request)
      return [
        await layerOf(context, filesystem, request, async (place, shared) => {
          using directory = await partOf(context, filesystem, shared)
          await takeOutDirectory(directory.path, place.layer, shared.caller.signal)
        }),
      ]
    }
    case 'fetch':
      return [
        await layerOf(context, filesystem, request, async (place, shared) => {
          const { network, caller, releases } = shared
          await mkdir(place.layer)
          const path = join(place.layer, fetchedPath)
          await fetchUrl(context, { fetch: filesystem, path, network, caller, releases })
        }),
      ]
  }
}

/** Returns those directories if all layers are stored; otherwise undefined. */
export function storedLayers(
  context: EngineContext,
  filesystem: PlannedFilesystem | PlannedFetch,
): string[] | undefined {
  const layers: string[] = []
  for (let at: PlannedFilesystem | PlannedFetch = filesystem; ; ) {
    if (at.kind === 'root') return at.directory === null ? layers : [...layers, at.directory]
    if (at.noCache) return undefined
    if (at.kind === 'directory' && at.path === '/') {
      at = at.input
      continue
    }
    const result = context.store.results.get(at.digest)
    if (result === undefined) return undefined
    layers.push(result.layer)
    // These two stand on no other layer.
    if (at.kind === 'directory' || at.kind === 'fetch') return layers
    at = at.kind === 'exec' ? at.input : changesOf(at).base
  }
}

/**
 * Returns the changes that one layer holds, first to last, and the filesystem below that layer. Consecutive changes
 * that write and remove share a layer, since the kernel takes 500 layers at most. A copy, which may be large, has a
 * layer of its own, so that others can share it.
 */
function changesOf(last: PlannedChange): { base: PlannedFilesystem; changes: PlannedChange[] } {
  const changes = [last]
  let base = last.input
  while (isSmall(last) && base.kind === 'change' && isSmall(base)) {
    changes.unshift(base)
    base = base.input
  }
  return { base, changes }
}

function isSmall({ change }: PlannedChange): boolean {
  return change.type !== 'copy'
}

interface LayerOfChanges {
  changes: readonly PlannedChange[]
  below: readonly string[]
  place: LayerPlace
}

async function applyChanges(
  context: EngineContext,
  { changes, below, place }: LayerOfChanges,
  shared: FilesystemRequest,
): Promise<void> {
  const { signal } = shared.caller
  // A copy is the only change in its layer.
  const copied = changes[0]?.change
  using source = copied?.type === 'copy' ? await partOf(context, copied.source, shared) : undefined
  using tree = openTree(context, below, place)
  for (const planned of changes) {
    await applyChange(tree, { change: planned.change, root: planned.root.ref, source, signal })
  }
}

/** Opens a file or a directory of a filesystem for reading. It is made first, if need be. */
export async function partOf(
  context: EngineContext,
  part: PlannedFilesystem | PlannedFile,
  request: FilesystemRequest,
) {
  const { filesystem, paths, name } = locate(part)
  const tree = openTree(context, await filesystemOf(context, filesystem, request))
  try {
    const found = tree.find(paths, { name, kind: part.kind === 'file' ? 'file' : 'directory' })
    const { fd, path, stat } = found
    return {
      fd,
      path,
      stat,
      [Symbol.dispose]() {
        found[Symbol.dispose]()
        tree[Symbol.dispose]()
      },
    }
  } catch (error) {
    tree[Symbol.dispose]()
    throw error
  }
}
