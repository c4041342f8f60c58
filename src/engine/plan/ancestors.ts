import type { PlannedExec, PlannedFetch, PlannedVertex } from './planned.ts'

/** Returns the execs and fetches that make what an exec stands on or mounts. Each may have services of its own. */
export function ancestorsOf(exec: PlannedExec): (PlannedExec | PlannedFetch)[] {
  const seen = new Set<PlannedVertex>()
  const found: (PlannedExec | PlannedFetch)[] = []
  const open = inputsOf(exec)
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    if (seen.has(part)) continue
    seen.add(part)
    if (part.kind === 'exec' || part.kind === 'fetch') found.push(part)
    open.push(...inputsOf(part))
  }
  return found
}

/** Returns the vertices that a vertex is made of; its services are not among them. */
function inputsOf(part: PlannedVertex): PlannedVertex[] {
  switch (part.kind) {
    case 'root':
    case 'fetch':
      return []
    case 'exec':
      return [part.input, ...part.mounts.flatMap((mount) => (mount.type === 'temp' ? [] : [mount.source]))]
    case 'change':
      return part.change.type === 'copy' ? [part.input, part.change.source] : [part.input]
    case 'directory':
    case 'file':
      return [part.input]
  }
}

/**
 * Returns every exec and fetch that may be needed for a vertex: those that make it and what it is made of, and the
 * services of all of these.
 */
export function everyMaker(root: PlannedVertex): (PlannedExec | PlannedFetch)[] {
  const seen = new Set<PlannedVertex>()
  const found: (PlannedExec | PlannedFetch)[] = []
  const open = [root]
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    if (seen.has(part)) continue
    seen.add(part)
    open.push(...inputsOf(part))
    if (part.kind !== 'exec' && part.kind !== 'fetch') continue
    found.push(part)
    open.push(...part.bindings.map(({ service }) => service.exec))
  }
  return found
}
