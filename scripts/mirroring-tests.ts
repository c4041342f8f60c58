import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { importsOf } from './imports.ts'

/** As many test files a fault is tried against: those that mirror the file, then the nearest others. */
const mostTests = 6

/**
 * Returns the test files that a fault in `file` should fail, the nearest first: they load it, by whatever way, and stand in
 * the folder of `test/` that mirrors the file's. Tests that reach it only through a process of their own are not found.
 *
 * @param file - a path from the root, below `dns`, `netns` or `src`
 */
export function testsOf(root: string, file: string): string[] {
  const folders = posix
    .dirname(file)
    .replace(/^src(?:\/|$)/, '')
    .split('/')
  const name = posix.basename(file, '.ts')
  const distances = new Map<string, number>()
  for (const test of globSync(['test/*.test.ts', `test/${folders[0] ?? ''}/**/*.test.ts`], { cwd: root })) {
    const away = distance(root, test, file)
    if (away === undefined) continue
    const mirrors = posix.basename(test, '.test.ts') === name
    distances.set(test, mirrors ? -1 : away)
  }
  return [...distances]
    .sort(([a, near], [b, far]) => near - far || a.localeCompare(b))
    .slice(0, mostTests)
    .map(([test]) => test)
}

/** Returns how many imports lie between a test and a file; undefined if the test does not load it. */
function distance(root: string, test: string, file: string): number | undefined {
  const seen = new Set([test])
  let ring = [test]
  for (let away = 1; ring.length > 0; away++) {
    const next: string[] = []
    for (const from of ring) {
      for (const specifier of loadedBy(root, from)) {
        const target = posix.normalize(posix.join(posix.dirname(from), specifier))
        if (target === file) return away
        if (seen.has(target)) continue
        seen.add(target)
        next.push(target)
      }
    }
    ring = next
  }
  return undefined
}

const loaded = new Map<string, string[]>()

function loadedBy(root: string, file: string): string[] {
  const path = join(root, file)
  const known = loaded.get(path)
  if (known) return known
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // a specifier inside a text, such as a test's own example
  }
  const specifiers = importsOf(text)
    .filter(({ specifier, typeOnly }) => specifier.startsWith('.') && !typeOnly)
    .map(({ specifier }) => specifier)
  loaded.set(path, specifiers)
  return specifiers
}
