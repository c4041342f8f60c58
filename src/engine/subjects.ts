import type { Definition } from '../definition/index.ts'
import { parseReference } from '../images/index.ts'
import { inputsOf, type Part } from './ancestors.ts'

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
export function idsOf(part: Part): Set<string> {
  const ids = new Set<string>()
  const seen = new Set<Part>()
  const open = [part]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at)) continue
    seen.add(at)
    open.push(...inputsOf(at))
    if (at.kind !== 'exec' && at.kind !== 'fetch') continue
    ids.add(at.kind === 'exec' ? at.label : at.url)
    open.push(...at.bindings.map(({ service }) => service.exec))
  }
  return ids
}
