import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Temporaries } from './temporaries.ts'

/**
 * Directories of one kind. Each has a place that no later one takes, so that nobody who stands on one finds another
 * in its place. A directory is renamed into its place before its row is written, and its row is deleted before it
 * is removed: whatever a crash leaves in between has no row, and is swept.
 */
export class StoredDirectories {
  readonly #root: string
  readonly #temporaries: Temporaries
  /** Places that are in use, or were while this process has been running. */
  readonly #taken = new Set<string>()

  constructor(root: string, temporaries: Temporaries) {
    this.#root = root
    this.#temporaries = temporaries
  }

  path(name: string): string {
    return join(this.#root, name)
  }

  /**
   * Takes a directory over and has its row written.
   *
   * @param writeRow - called with the name of the place; when it throws, the directory is removed
   */
  async adopt<T>(digest: string, directory: string, writeRow: (name: string) => T): Promise<T> {
    const name = this.#takePlace(digest)
    await rename(directory, this.path(name))
    try {
      return writeRow(name)
    } catch (error) {
      await this.remove(name)
      throw error
    }
  }

  async remove(name: string): Promise<void> {
    await this.#temporaries.discard(this.path(name))
  }

  /** Removes directories that have no row, and returns the names in rows that have no directory. */
  async sweep(rows: readonly string[]): Promise<string[]> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 })
    const present = new Set(await readdir(this.#root))
    const withRow = new Set(rows)
    for (const name of present) if (!withRow.has(name)) await this.remove(name)
    for (const name of withRow) this.#taken.add(name)
    return rows.filter((name) => !present.has(name))
  }

  /**
   * Chooses a place. Its name is short: some kernels take one page of mount options, which hold the path of each
   * layer.
   */
  #takePlace(digest: string): string {
    const short = digest.replace(/^sha256:/, '').slice(0, 12)
    let name = short
    for (let number = 1; this.#taken.has(name); number += 1) name = `${short}-${number}`
    this.#taken.add(name)
    return name
  }
}
