import type { Definition } from '../definition/index.ts'
import { parseReference } from '../images/index.ts'
import type { PlannedExec } from './plan.ts'

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

/** The labels of everything that may run for an exec: itself, the steps before it, its services, and theirs. */
export function labelsOf(exec: PlannedExec, labels: Set<string> = new Set()): Set<string> {
  for (let at: PlannedExec['input'] = exec; at.kind === 'exec'; at = at.input) {
    if (labels.has(at.label)) return labels
    labels.add(at.label)
    for (const { service } of at.bindings) labelsOf(service.exec, labels)
  }
  return labels
}
