import type { Definition } from '../../definition/index.ts'
import { parseReference } from '../../images/index.ts'
import { everyMaker } from './ancestors.ts'
import type { PlannedVertex } from './planned.ts'

/** Returns the ids in events of a definition's images: their whole references. Malformed ones are left out. */
export function imageIdsOf({ ops }: Definition): string[] {
  return ops.flatMap((op) => {
    if (op.op !== 'image') return []
    try {
      return [parseReference(op.ref).ref]
    } catch {
      // Planning reports the error.
      return []
    }
  })
}

/**
 * Returns the ids in events of all that may run or be fetched for a vertex: itself, what it is made of, and
 * services.
 */
export function vertexIdsOf(vertex: PlannedVertex): string[] {
  return everyMaker(vertex).map((maker) => (maker.kind === 'exec' ? maker.label : maker.url))
}
