import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Directories of one kind, each under a name of its own. A directory is renamed into its place before its row is
 * written: after a crash between the two it has no row, and is swept.
 */
export class KeptDirectories {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  path(name: string): string {
    return join(this.#root, name)
  }

  /** Takes a directory over; what stood there without a row is of a crash. */
  async adopt(name: string, directory: string): Promise<string> {
    const place = this.path(name)
    await rm(place, { recursive: true, force: true })
    await rename(directory, place)
    return place
  }

  async remove(name: string): Promise<void> {
    await rm(this.path(name), { recursive: true, force: true })
  }

  /** Removes what has no row, and returns the names that have a row but no directory. */
  async sweep(rows: readonly string[]): Promise<string[]> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 })
    const present = new Set(await readdir(this.#root))
    const wanted = new Set(rows)
    await Promise.all([...present].filter((name) => !wanted.has(name)).map((name) => this.remove(name)))
    return rows.filter((name) => !present.has(name))
  }
}

/** A digest as the name of a directory. */
export function directoryName(digest: string): string {
  return digest.replace(/^sha256:/, '')
}
