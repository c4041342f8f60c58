import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { makeDirectory } from '../make-directory.ts'
import { ensureSpace, type FreeSpace, freeSpace, storeError } from './free-space.ts'
import { type ImageTable, imageTable } from './image-table.ts'
import { instanceOf } from './instance.ts'
import { type ResultTable, resultTable } from './result-table.ts'
import { openIndex } from './schema.ts'
import { StoredDirectories } from './stored-directories.ts'
import { Temporaries } from './temporaries.ts'
import { type TreeTable, treeTable } from './tree-table.ts'
import { createVolumeDirectories, type VolumeDirectories } from './volume-directories.ts'

/** All that is kept below the state directory, and its index. */
export interface Store extends AsyncDisposable {
  readonly directory: string
  /** The instance id, which is in the names of all that this daemon makes in the kernel. */
  readonly instance: string
  /** Makes a directory on the same filesystem. The caller removes it, or hands it over to `adopt`. */
  temporary(): Promise<string>
  /** A directory that is always empty. */
  readonly empty: string
  readonly images: ImageTable
  readonly trees: TreeTable
  readonly results: ResultTable
  readonly volumes: VolumeDirectories
  free(): FreeSpace
  /** @throws MoorageError DISK_LOW when too little is free to begin something new */
  ensureSpace(): void
  close(): Promise<void>
}

/**
 * Opens the store of a state directory, makes it if need be, and removes what a crash left half-done. The caller holds
 * the directory's lock.
 *
 *     index.db           pins, images, trees, results (SQLite)
 *     images/NAME/       a root filesystem
 *     trees/NAME/        a directory that a client sent
 *     results/NAME/      layer/ (what the run wrote) and logs/
 *     volumes/VOLUME/    a cache volume
 *     empty/             nothing, for what is made of no layer
 *     tmp/               work in progress; empty after a start
 *
 * @throws MoorageError DISK_LOW, DISK_FULL, STATE_UNREADABLE
 */
export async function openStore(directory: string): Promise<Store> {
  try {
    await makeDirectory(directory, 0o700)
    // It may have existed with another mode, and its content is for root only.
    chmodSync(directory, 0o700)
    const temporaries = new Temporaries(join(directory, 'tmp'))
    // First, so that what a crash left cannot keep the daemon from starting for lack of space.
    await temporaries.sweep()
    ensureSpace(directory)
    const index = openIndex(directory)
    try {
      return await assemble(directory, index, temporaries)
    } catch (error) {
      index.close()
      throw error
    }
  } catch (error) {
    throw storeError(error, directory)
  }
}

async function assemble(directory: string, index: DatabaseSync, temporaries: Temporaries): Promise<Store> {
  const directoriesOf = async (table: 'images' | 'trees' | 'results') => {
    const directories = new StoredDirectories(join(directory, table), temporaries)
    const rows = index.prepare(`SELECT directory FROM ${table}`).all() as { directory: string }[]
    const forget = index.prepare(`DELETE FROM ${table} WHERE directory = ?`)
    for (const name of await directories.sweep(rows.map((row) => row.directory))) forget.run(name)
    return directories
  }
  const images = imageTable(index, await directoriesOf('images'))
  const trees = treeTable(index, await directoriesOf('trees'))
  const results = resultTable(index, await directoriesOf('results'), temporaries)
  const empty = join(directory, 'empty')
  mkdirSync(empty, { recursive: true, mode: 0o755 })
  const volumes = createVolumeDirectories(join(directory, 'volumes'), temporaries)
  /** Wraps an operation, so that a full disk is thrown as DISK_FULL. */
  const withStoreErrors = <Arguments extends unknown[], Result>(
    act: (...args: Arguments) => Promise<Result>,
  ) => {
    return (...args: Arguments): Promise<Result> =>
      act(...args).catch((error) => {
        throw storeError(error, directory)
      })
  }
  const withStoreErrorsSync = <Arguments extends unknown[], Result>(act: (...args: Arguments) => Result) => {
    return (...args: Arguments): Result => {
      try {
        return act(...args)
      } catch (error) {
        throw storeError(error, directory)
      }
    }
  }
  let open = true
  const close = async () => {
    if (!open) return
    open = false
    index.close()
    await temporaries.remove()
  }

  return {
    directory,
    instance: instanceOf(directory),
    empty,
    temporary: withStoreErrors(() => temporaries.make()),
    images: { ...images, adopt: withStoreErrors(images.adopt), setPin: withStoreErrorsSync(images.setPin) },
    trees: { ...trees, adopt: withStoreErrors(trees.adopt) },
    results: { ...results, adopt: withStoreErrors(results.adopt), remove: withStoreErrors(results.remove) },
    volumes: { ...volumes, remove: withStoreErrors(volumes.remove), path: withStoreErrorsSync(volumes.path) },
    free: () => freeSpace(directory),
    ensureSpace: () => ensureSpace(directory),
    close,
    [Symbol.asyncDispose]: close,
  }
}
