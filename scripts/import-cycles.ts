/**
 * Finds circles in a graph of imports: for each group of files that reach each other (a strongly connected component,
 * by Tarjan's algorithm) one shortest circle, as its files in order with the first one again at the end.
 */
export function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  return components(graph).flatMap((files) => {
    const inside = new Set(files)
    const start = [...files].sort()[0] as string
    if (files.length > 1) return [circleThrough(start, graph, inside)]
    return graph.get(start)?.includes(start) ? [[start, start]] : []
  })
}

function components(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const open = new Set<string>()
  const visit = (file: string): number => {
    const own = order.size
    order.set(file, own)
    let low = own
    stack.push(file)
    open.add(file)
    for (const next of graph.get(file) ?? []) {
      if (!order.has(next)) low = Math.min(low, visit(next))
      else if (open.has(next)) low = Math.min(low, order.get(next) as number)
    }
    lowest.set(file, low)
    if (low === own) {
      const component = stack.splice(stack.indexOf(file))
      for (const one of component) open.delete(one)
      found.push(component)
    }
    return low
  }
  for (const file of graph.keys()) if (!order.has(file)) visit(file)
  return found
}

/** Walks breadth first, so that the circle is a shortest one. */
function circleThrough(
  start: string,
  graph: ReadonlyMap<string, readonly string[]>,
  inside: ReadonlySet<string>,
): string[] {
  const paths: string[][] = [[start]]
  const seen = new Set<string>()
  for (const path of paths) {
    for (const next of graph.get(path.at(-1) as string) ?? []) {
      if (next === start) return [...path, start]
      if (!inside.has(next) || seen.has(next)) continue
      seen.add(next)
      paths.push([...path, next])
    }
  }
  return [start]
}
