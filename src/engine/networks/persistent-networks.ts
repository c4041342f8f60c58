import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NetworkSettings } from '../../definition/index.ts'

/**
 * The networks that stay until somebody removes them, with their settings. They are saved in a file of the state
 * directory, so that a later daemon makes them again.
 */
export class PersistentNetworks {
  readonly #path: string
  readonly #kept: Map<string, NetworkSettings>

  constructor(stateDirectory: string) {
    this.#path = join(stateDirectory, 'networks.json')
    this.#kept = new Map(Object.entries(read(this.#path)))
  }

  get(name: string): NetworkSettings | undefined {
    return this.#kept.get(name)
  }

  names(): string[] {
    return [...this.#kept.keys()]
  }

  keep(name: string, settings: NetworkSettings): void {
    this.#write(new Map(this.#kept).set(name, settings))
    this.#kept.set(name, settings)
  }

  forget(name: string): void {
    const left = new Map(this.#kept)
    if (!left.delete(name)) return
    this.#write(left)
    this.#kept.delete(name)
  }

  /** Writes the file whole or not at all: a crash in the middle leaves the old one. */
  #write(networks: ReadonlyMap<string, NetworkSettings>): void {
    const next = `${this.#path}.new`
    try {
      writeFileSync(next, `${JSON.stringify(Object.fromEntries(networks), null, 2)}\n`, {
        mode: 0o600,
        flush: true,
      })
      renameSync(next, this.#path)
    } catch (error) {
      rmSync(next, { force: true })
      throw error
    }
  }
}

function read(path: string): Record<string, NetworkSettings> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}
