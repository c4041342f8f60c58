import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'

/**
 * Directories of work in progress, on the store's own filesystem. Those that are there at the start are left of a
 * crash.
 */
export class Temporaries {
  readonly #root: string
  #discarded = 0

  constructor(root: string) {
    this.#root = root
  }

  /** Removes what an earlier process left. */
  async sweep(): Promise<void> {
    await rm(this.#root, { recursive: true, force: true })
    await mkdir(this.#root, { mode: 0o700 })
  }

  make(): Promise<string> {
    return mkdtemp(join(this.#root, 't-'))
  }

  /** Moves a whole directory away at once, and then removes it. Links are not followed. */
  async discard(directory: string): Promise<void> {
    this.#discarded += 1
    const aside = join(this.#root, `d-${this.#discarded}-${basename(directory)}`)
    try {
      await rename(directory, aside)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    await rm(aside, { recursive: true, force: true })
  }

  async remove(): Promise<void> {
    await rm(this.#root, { recursive: true, force: true })
  }
}
