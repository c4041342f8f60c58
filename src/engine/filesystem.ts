import type { Caller, EngineContext } from './context.ts'
import { evaluateExec } from './evaluate.ts'
import type { PlannedFilesystem } from './plan.ts'
import type { Releases } from './release.ts'
import { runOwner } from './waits.ts'

/**
 * The directories that a filesystem is made of, topmost first; the execs that make it are run if they have to be.
 * What is held for it is let go by `releases`. `owner` is who needs it, as waits.ts names it.
 */
export async function filesystemOf(
  context: EngineContext,
  filesystem: PlannedFilesystem,
  wanted: { network: string; owner: string; caller: Caller; releases: Releases },
): Promise<string[]> {
  if (filesystem.kind === 'root') return filesystem.directory === null ? [] : [filesystem.directory]
  const { network, owner, caller, releases } = wanted
  // Said, so that who waits for a volume knows who waits for whom.
  using _waits = context.waits.add(owner, runOwner(filesystem, network))
  const outcome = await evaluateExec(context, { exec: filesystem, network, caller })
  releases.add('let go of a layer', () => outcome.release())
  return [...outcome.layers]
}
