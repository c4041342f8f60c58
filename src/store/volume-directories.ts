import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MoorageError } from '../errors/index.ts'
import type { Temporaries } from './temporaries.ts'

/**
 * Directories of cache volumes: one for each name, made when first used, kept until it is removed. `NAME~1` and so
 * on are the private ones, each for one container at a time.
 */
export interface VolumeDirectories {
  /**
   * Returns the directory of a volume; with a number, one of its private ones.
   *
   * @throws MoorageError INVALID_OPTION when the name cannot be that of a file, DISK_FULL
   */
  path(name: string, number?: number): string
  list(): string[]
  /** Removes a volume with its content, if there is one. */
  remove(name: string): Promise<void>
}

/** Stands between the name of a volume and the number of a private directory. No name contains it. */
const privateMark = '~'

function volumeOf(entry: string): string {
  return entry.split(privateMark)[0] ?? entry
}

export function createVolumeDirectories(root: string, temporaries: Temporaries): VolumeDirectories {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const place = (name: string) => {
    // Callers have checked the name; checked again, since a name must never lead out of the directory.
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) {
      throw new MoorageError('INVALID_OPTION', {
        option: 'volume',
        reason: `"${name}" is not a volume's name`,
      })
    }
    return join(root, name)
  }
  return {
    path(name, number) {
      const directory = number === undefined ? place(name) : `${place(name)}${privateMark}${number}`
      mkdirSync(directory, { recursive: true, mode: 0o755 })
      return directory
    },
    list: () => [...new Set(readdirSync(root).map(volumeOf))].sort(),
    async remove(name) {
      const path = place(name)
      const own = readdirSync(root).filter((entry) => entry !== name && volumeOf(entry) === name)
      await temporaries.discard(path)
      for (const entry of own) await temporaries.discard(join(root, entry))
    },
  }
}
