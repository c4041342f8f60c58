/**
 * Holds the import arrows of the design: which folder may import which, and that a folder is entered by its
 * index.ts only. Prints each offence and exits 1; exits 2 when it finds no file to check.
 *
 * Usage: node scripts/arrows.ts [ROOT]
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A room -> the rooms it may import. A room is the longest of these names that a file's path starts with. */
const arrows: Record<string, readonly string[]> = {
  dns: [],
  netns: ['netns/kernel'],
  'netns/kernel': [],
  'src/index.ts': ['src/client', 'src/definition'],
  'src/errors.ts': [],
  'src/definition': [],
  'src/client': ['src/definition'],
  'src/store': ['netns/kernel'],
  'src/images': ['src/store'],
  'src/logs': [],
  'src/lifecycle': [],
  'src/network': ['netns', 'dns'],
  'src/runtime': [],
  'src/runtime/oci': ['src/runtime', 'netns', 'netns/kernel', 'src/logs'],
  'src/engine': [
    'src/lifecycle',
    'src/store',
    'src/images',
    'src/runtime',
    'src/runtime/oci',
    'src/logs',
    'src/network',
    'src/definition',
    'netns/kernel',
  ],
  'src/daemon': ['src/engine', 'src/definition', 'src/logs', 'netns/kernel'],
  'src/cli': ['src/index.ts', 'src/client', 'src/definition', 'src/daemon', 'dns', 'netns'],
}

/** Files of a room that are a door besides its index.ts. */
const doors = new Set(['src/errors.ts', 'src/index.ts', 'src/runtime/runtime.ts'])

const importPattern =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g

export function roomOf(path: string): string | undefined {
  return Object.keys(arrows)
    .filter((room) => path === room || path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0]
}

/** The offences of one file, each a sentence. */
export function check(path: string, text: string): string[] {
  const room = roomOf(path)
  if (room === undefined) return [`${path}: stands in no room of the design`]
  const offences: string[] = []
  for (const match of text.matchAll(importPattern)) {
    const specifier = match[1] ?? match[2] ?? match[3]
    if (specifier === undefined || !specifier.startsWith('.')) continue
    const target = posix.normalize(posix.join(posix.dirname(path), specifier))
    const to = roomOf(target)
    if (to === room) continue
    if (to === undefined) offences.push(`${path} -> ${target}: that is in no room of the design`)
    else if (to === 'src/errors.ts' && path.startsWith('src/')) continue
    else if (!arrows[room]?.includes(to)) offences.push(`${path} -> ${target}: ${room} may not import ${to}`)
    else if (!doors.has(target) && target !== `${to}/index.ts`) {
      offences.push(`${path} -> ${target}: ${to} is entered by its index.ts only`)
    }
  }
  return offences
}

export function checkTree(root: string): { files: number; offences: string[] } {
  const files = globSync('{dns,netns,src}/**/*.ts', { cwd: root }).sort()
  return {
    files: files.length,
    offences: files.flatMap((file) => check(file, readFileSync(join(root, file), 'utf8'))),
  }
}

if (import.meta.main) {
  const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..')
  const { files, offences } = checkTree(root)
  for (const offence of offences) console.error(offence)
  if (files === 0) {
    console.error(`arrows: no file found below ${root}`)
    process.exitCode = 2
  } else if (offences.length > 0) process.exitCode = 1
  else console.log(`arrows: ${files} files, as designed`)
}
