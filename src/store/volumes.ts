import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MoorageError } from '../errors.ts'
import type { Temporaries } from './temporaries.ts'

/** Cache volumes: one directory for each name, made on first use, kept until somebody removes it. */
export interface Volumes {
  /**
   * The volume's directory.
   * @throws MoorageError INVALID_OPTION when the name is not one of a file, DISK_FULL
   */
  path(name: string): string
  list(): string[]
  /** Removes it with its content; what does not exist is removed already. */
  remove(name: string): Promise<void>
}

export function createVolumes(root: string, temporaries: Temporaries): Volumes {
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
    path(name) {
      const directory = place(name)
      mkdirSync(directory, { recursive: true, mode: 0o755 })
      return directory
    },
    list: () => readdirSync(root).sort(),
    async remove(name) {
      await temporaries.discard(place(name))
    },
  }
}
