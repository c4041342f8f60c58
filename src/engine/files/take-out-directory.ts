import { mkdir } from 'node:fs/promises'
import { copyFiles } from './copy-files.ts'

/**
 * Makes a layer of a directory of a filesystem. The directory is copied out of the view that the filesystem's layers
 * have together. Its parts in those layers cannot be used as they are: their whiteouts, and their directories that are
 * marked opaque, hide files of the layers below them, and a directory above may be marked so too.
 *
 * @param directory - a path in the merged view, as a tree gives it
 * @param layer - the directory to make
 * @throws MoorageError DISK_FULL; the signal's reason
 */
export async function takeOutDirectory(directory: string, layer: string, signal: AbortSignal): Promise<void> {
  await mkdir(layer)
  await copyFiles({ path: `${directory}/.` }, `${layer}/.`, ['--no-target-directory'], {
    path: '/',
    root: 'a copy',
    signal,
  })
}
