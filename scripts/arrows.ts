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
  'src/errors/index.ts': [],
  'src/make-directory.ts': [],
  'src/definition': [],
  'src/client': ['src/definition', 'src/logs/frame.ts'],
  'src/store': ['netns/kernel'],
  'src/images': ['src/store'],
  'src/logs': ['src/logs/frame.ts'],
  'src/logs/frame.ts': [],
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
  'src/daemon': ['src/engine', 'src/definition', 'src/logs/frame.ts', 'netns/kernel'],
  'src/cli': ['src/index.ts', 'src/client', 'src/definition', 'src/daemon', 'dns', 'netns'],
}

/** What all of src/ may import. */
const common = new Set(['src/errors/index.ts', 'src/make-directory.ts'])

/** Files of a room that are a door besides its index.ts. */
const doors = new Set(['src/index.ts', 'src/logs/frame.ts', 'src/runtime/runtime.ts'])

/**
 * Packages that only some rooms may import. FFI stays in two places; what the SDK's user pays for starting stays
 * small: zod alone takes 70 ms.
 */
const packages: Record<string, readonly string[]> = {
  koffi: ['netns/kernel', 'src/runtime/oci'],
  zod: ['src/daemon', 'src/engine', 'src/store', 'src/cli'],
  fastify: ['src/daemon'],
  commander: ['src/cli'],
}

/**
 * Every way to name another module, by its tail alone, so that nothing before it (comments, line breaks, `type`) can
 * hide it: `from '…'`, `import '…'`, `import('…')`, `new URL('…', import.meta.url)`, `require('…')`.
 */
const importPattern =
  /(?:\bfrom|\bimport|\bimport\s*\(|\bnew URL\s*\(|\brequire\s*\()\s*(['"`])([^'"`\n]+)\1/g

export function roomOf(path: string): string | undefined {
  return Object.keys(arrows)
    .filter((room) => path === room || path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0]
}

/** The offences of one file, each a sentence. */
export function check(path: string, text: string): string[] {
  const room = roomOf(path)
  if (room === undefined) return [`${path}: stands in no room of the design`]
  return [...text.matchAll(importPattern)].flatMap((match) => {
    if (isComment(text, match.index)) return []
    const offence = offenceOf(path, room, match[2] ?? '')
    return offence === undefined ? [] : [offence]
  })
}

/** Whether that place is on a line of a comment: TSDoc's examples import what users import. */
function isComment(text: string, index: number): boolean {
  return /^\s*(?:\*(?!\/)|\/\/|\/\*(?!.*\*\/))/.test(text.slice(text.lastIndexOf('\n', index) + 1, index))
}

function offenceOf(path: string, room: string, specifier: string): string | undefined {
  if (specifier === 'moorage' || specifier.startsWith('moorage/')) {
    return `${path} -> ${specifier}: the package does not import itself`
  }
  const rooms = packages[specifier.split('/')[0] ?? '']
  if (rooms !== undefined && !rooms.includes(room))
    return `${path} -> ${specifier}: ${room} may not import this package`
  if (!/^\.{0,2}\//.test(specifier) && specifier !== '.' && specifier !== '..') return undefined
  const target = posix.normalize(posix.join(posix.dirname(path), specifier))
  const to = roomOf(target)
  if (to === room) return undefined
  if (to === undefined) return `${path} -> ${target}: that is in no room of the design`
  if (common.has(to) && path.startsWith('src/')) return undefined
  if (!arrows[room]?.includes(to)) return `${path} -> ${target}: ${room} may not import ${to}`
  if (!doors.has(target) && target !== `${to}/index.ts`)
    return `${path} -> ${target}: ${to} is entered by its index.ts only`
  return undefined
}

export function checkTree(root: string): { files: number; offences: string[] } {
  const files = globSync('{dns,netns,src}/**/*.{ts,mts,cts,js,mjs,cjs}', { cwd: root }).sort()
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
