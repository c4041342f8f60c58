/**
 * Adds to package-lock.json the optional packages that it names but does not hold, so that `npm ci` takes it.
 *
 * A registry that carries only some of a package's per-platform binaries (a mirror for Linux, say) lets
 * `npm install` write a lock without the others, and `npm ci` then refuses that very lock ("Missing: … from lock
 * file"). An entry with version, os and cpu is enough to satisfy it: such a package is never fetched here, and where
 * its platform matches, npm finds it in the registry by its version.
 *
 * Usage: node scripts/mend-lock.ts [LOCKFILE]     (after each `npm install` that changed the lock)
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface LockEntry {
  version?: string
  dev?: true
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

export interface Lock {
  packages: Record<string, LockEntry>
}

const platforms = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'sunos', 'win32']
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64']
const libraries = ['glibc', 'musl']

/** Whether some folder that Node would look through, from `from` upwards, has `name` in this lock. */
function isHeld(lock: Lock, from: string, name: string): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (`${folder === '' ? '' : `${folder}/`}node_modules/${name}` in lock.packages) return true
    if (!folder.includes('/')) return `node_modules/${name}` in lock.packages
  }
}

function entryFor(name: string, version: string, owner: LockEntry): LockEntry {
  const words = name.split(/[-_./@]/)
  const one = (known: string[]) => known.filter((word) => words.includes(word)).slice(0, 1)
  const [os, cpu, libc] = [one(platforms), one(processors), one(libraries)]
  if (os.length === 0 || cpu.length === 0) {
    throw new Error(
      `${name}@${version} is missing from the lock, and its name tells no platform: add it by npm install`,
    )
  }
  return {
    version,
    os,
    cpu,
    ...(libc.length > 0 ? { libc } : {}),
    ...(owner.dev === true ? { dev: true } : {}),
    optional: true,
  }
}

/** Adds what is missing, in place; returns the names added. */
export function mend(lock: Lock): string[] {
  const added: string[] = []
  for (const [folder, owner] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(owner.optionalDependencies ?? {})) {
      if (isHeld(lock, folder, name)) continue
      if (!/^\d/.test(range))
        throw new Error(`${name}@${range} is missing from the lock, and no exact version is asked for`)
      lock.packages[`node_modules/${name}`] = entryFor(name, range, owner)
      added.push(name)
    }
  }
  lock.packages = Object.fromEntries(
    Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
  )
  return added
}

if (import.meta.main) {
  const path = process.argv[2] ?? join(import.meta.dirname, '..', 'package-lock.json')
  const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock
  const added = mend(lock)
  if (added.length > 0) writeFileSync(path, `${JSON.stringify(lock, undefined, 2)}\n`)
  console.log(added.length > 0 ? `mend-lock: added ${added.join(', ')}` : 'mend-lock: nothing is missing')
}
