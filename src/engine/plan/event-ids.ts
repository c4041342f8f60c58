import type { Definition } from '../../definition/index.ts'
import { parseReference } from '../../images/index.ts'
import { everyMaker } from './ancestors.ts'
import type { PlannedVertex } from './planned.ts'

/** The whole references of a definition's images, as events name them; those that are none are left out. */
export function imagesOf({ ops }: Definition): string[] {
  return ops.flatMap((op) => {
    if (op.op !== 'image') return []
    try {
      return [parseReference(op.ref).ref]
    } catch {
      return [] // the plan tells of it
    }
  })
}

/** What events say of everything that may run or be fetched for something: itself, what it is made of, its services. */
export function idsOf(part: PlannedVertex): string[] {
  return everyMaker(part).map((maker) => (maker.kind === 'exec' ? maker.label : maker.url))
}
