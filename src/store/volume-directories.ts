import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MoorageError } from '../errors/index.ts'
import type { Temporaries } from './temporaries.ts'

/**
 * Cache volumes: one directory for each name, made on first use, kept until somebody removes it; `NAME~1` and so on are
 * those that each container has for itself.
 */
export interface VolumeDirectories {
  /**
   * The volume's directory; with a number, one of its private ones.
   * @throws MoorageError INVALID_OPTION when the name is not one of a file, DISK_FULL
   */
  path(name: string, number?: number): string
  list(): string[]
  /** Removes it with its content; what does not exist is removed already. */
  remove(name: string): Promise<void>
}

/** Between a volume's name and the number of a private directory: no name holds it. */
const privateMark = '~'

function volumeOf(entry: string): string {
  return entry.split(privateMark)[0] ?? entry
}

export function createVolumeDirectories(root: string, temporaries: Temporaries): VolumeDirectories {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const place = (name: string) => {
    // Whoever calls has checked it; a name that leaves the directory must not get through whatever happens there.
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
