/**
 * A way along `next` from `start` back to it, if there is one: what is met, in order, `start` at both ends. With waits
 * as steps, it is a wait that cannot end.
 */
export function circleThrough(
  start: string,
  next: (node: string) => readonly string[],
): string[] | undefined {
  const seen = new Set<string>()
  // A stack of our own: a chain may be long.
  const paths = next(start).map((node) => [start, node])
  for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
    const node = path.at(-1) as string
    if (node === start) return path
    if (seen.has(node)) continue
    seen.add(node)
    for (const after of next(node)) paths.push([...path, after])
  }
  return undefined
}
