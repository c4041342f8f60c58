/**
 * Holds the tree to the plan of the house (scripts/house.ts): which room may import which, that a room is entered by
 * its doors only, which wing of a room may import which, that no imports form a circle, that no file is forgotten,
 * which packages belong to which room, and how many files a folder has. Prints each offence and exits 1; exits 2 when it
 * finds no file to check.
 *
 * Usage: node scripts/arrows.ts [ROOT]
 */
import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { common, mostFiles, packages, programs, rooms, wideFolders } from './house.ts'
import { findCycles } from './import-cycles.ts'
import { type Import, importsOf } from './imports.ts'

/** Returns the longest name of a room that is the path, or a folder of it. */
export function roomOf(path: string): string | undefined {
  return Object.keys(rooms)
    .filter((room) => path === room || path.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0]
}

/** Returns the offences of one file, each a sentence; cycles and full folders are found by `checkTree`. */
export function check(path: string, text: string): string[] {
  const room = roomOf(path)
  if (room === undefined) return [`${path}: stands in no room of the house`]
  const wing = wingOf(room, path)
  if (wing !== undefined && rooms[room]?.wings?.[wing] === undefined)
    return [`${path}: ${wing} is no wing of ${room}`]
  return importsOf(text).flatMap((one) => offenceOf(path, room, one) ?? [])
}

/** Returns the first folder below the room, if the room has wings and the file is not directly in it. */
function wingOf(room: string, path: string): string | undefined {
  const below = posix.relative(room, path)
  return rooms[room]?.wings !== undefined && below.includes('/') ? below.split('/')[0] : undefined
}

function offenceOf(path: string, room: string, { specifier, typeOnly }: Import): string | undefined {
  if (specifier === 'moorage' || specifier.startsWith('moorage/'))
    return `${path} -> ${specifier}: the package does not import itself`
  const owners = packages[specifier.split('/')[0] ?? '']
  if (owners !== undefined && !owners.includes(room))
    return `${path} -> ${specifier}: ${room} may not import this package`
  const target = targetOf(path, specifier)
  if (target === undefined) return undefined
  const to = roomOf(target)
  if (to === undefined) return `${path} -> ${target}: that is in no room of the house`
  if (to === room) return wingOffence(path, room, target, typeOnly)
  const allowed = rooms[room]?.may.includes(to) || (common.includes(to) && path.startsWith('src/'))
  if (!allowed) return `${path} -> ${target}: ${room} may not import ${to}`
  const isDoor =
    target === to ||
    target === `${to}/index.ts` ||
    rooms[to]?.doors?.some((door) => target === `${to}/${door}`)
  return isDoor ? undefined : `${path} -> ${target}: ${to} is entered by its index.ts only`
}

function wingOffence(path: string, room: string, target: string, typeOnly: boolean): string | undefined {
  const { wings = {}, ground = [] } = rooms[room] ?? { may: [] }
  const from = wingOf(room, path)
  const to = wingOf(room, target)
  if (to === undefined) {
    if (from === undefined || ground.some((file) => target === `${room}/${file}`)) return undefined
    return `${path} -> ${target}: wings of ${room} may import only its ground (${ground.join(', ')})`
  }
  if (from === to) return undefined
  if (from === undefined) {
    if (typeOnly || !ground.some((file) => path === `${room}/${file}`)) return undefined
    return `${path} -> ${target}: it is ground of ${room}, which imports no wing's values`
  }
  const wing = wings[from]
  if (wing?.may.includes(to)) return undefined
  if (wing?.types?.includes(to))
    return typeOnly ? undefined : `${path} -> ${target}: ${room}/${from} may import only types of ${to}`
  return `${path} -> ${target}: ${room}/${from} may not import ${to}`
}

/** Returns the file that a relative specifier names, from the root of the tree; undefined for a package. */
function targetOf(path: string, specifier: string): string | undefined {
  if (!/^\.{0,2}\//.test(specifier) && specifier !== '.' && specifier !== '..') return undefined
  return posix.normalize(posix.join(posix.dirname(path), specifier))
}

export function checkTree(root: string): { files: number; offences: string[] } {
  const files = globSync('{dns,netns,src}/**/*.{ts,mts,cts,js,mjs,cjs}', { cwd: root }).sort()
  const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
  const graph = new Map(
    [...texts].map(([file, text]) => {
      const loaded = importsOf(text).filter(({ loads }) => loads)
      return [file, loaded.flatMap(({ specifier }) => targetOf(file, specifier) ?? [])]
    }),
  )
  return {
    files: files.length,
    offences: [
      ...[...texts].flatMap(([file, text]) => check(file, text)),
      ...findCycles(graph).map((cycle) => `${cycle.join(' -> ')}: these files import each other in a circle`),
      ...fullFolders(files),
      ...unusedFiles(files, texts),
    ],
  }
}

/** A file that nothing imports was forgotten; types count as use. Doors are for others, and programs are started. */
function unusedFiles(files: readonly string[], texts: ReadonlyMap<string, string>): string[] {
  const used = new Set(
    [...texts].flatMap(([file, text]) =>
      importsOf(text).flatMap(({ specifier }) => targetOf(file, specifier) ?? []),
    ),
  )
  return files
    .filter((file) => !used.has(file) && !programs.includes(file) && !isDoorFile(file))
    .map((file) => `${file}: nothing imports it`)
}

function isDoorFile(file: string): boolean {
  return posix.basename(file) === 'index.ts' || rooms[file] !== undefined
}

function fullFolders(files: readonly string[]): string[] {
  const folders = Object.groupBy(files, (file) => posix.dirname(file))
  return Object.entries(folders).flatMap(([folder, inside = []]) =>
    inside.length > mostFiles && wideFolders[folder] === undefined
      ? [`${folder}: ${inside.length} files side by side, more than ${mostFiles}; it wants wings`]
      : [],
  )
}

if (import.meta.main) {
  const root = process.argv[2] ?? join(import.meta.dirname, '..')
  const { files, offences } = checkTree(root)
  for (const offence of offences) console.error(offence)
  if (files === 0) {
    console.error(`arrows: no file found below ${root}`)
    process.exitCode = 2
  } else if (offences.length > 0) process.exitCode = 1
  else console.log(`arrows: ${files} files, as designed`)
}
