/**
 * Finds a way along `next` from `start` back to it, if there is one: the nodes in order, `start` at both ends. Where
 * the steps are waits, it is a wait that cannot end.
 *
 * @param idOf - equal nodes have equal ids
 */
export function circleThrough<Node>(
  start: Node,
  next: (node: Node) => readonly Node[],
  idOf: (node: Node) => string,
): Node[] | undefined {
  const seen = new Set<string>()
  // A stack of our own: a chain may be long.
  const paths = next(start).map((node) => [start, node])
  for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
    const node = path.at(-1) as Node
    const id = idOf(node)
    if (id === idOf(start)) return path
    if (seen.has(id)) continue
    seen.add(id)
    for (const after of next(node)) paths.push([...path, after])
  }
  return undefined
}
