import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setInterval as every } from 'node:timers/promises'

/** Interval between two looks at the files, in milliseconds. */
const interval = 500

/**
 * Watches an OCI layout that skopeo copies into, until `signal` aborts: skopeo itself shows progress only on a
 * terminal.
 *
 * @param onGrowth - called with the bytes that have come, when there are more than before
 * @param onStall - called when none have come for `patience` milliseconds
 */
export async function watchCopy(
  layout: string,
  options: {
    signal: AbortSignal
    patience: number
    onGrowth: (bytes: number) => void
    onStall: () => void
  },
): Promise<void> {
  const { signal, patience, onGrowth, onStall } = options
  let last = -1
  let still = 0
  try {
    for await (const _ of every(interval, undefined, { signal })) {
      const bytes = await bytesIn(layout)
      still = bytes === last ? still + interval : 0
      if (still >= patience) return onStall()
      if (bytes > last) onGrowth(bytes)
      last = bytes
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Returns the size of all blobs. A blob grows under a temporary name, and is renamed when it is whole. */
async function bytesIn(layout: string): Promise<number> {
  const files = [
    ...(await names(layout)).filter((name) => name.startsWith('oci-put-blob')),
    ...(await names(join(layout, 'blobs/sha256'))).map((name) => join('blobs/sha256', name)),
  ]
  const sizes = await Promise.all(
    files.map((name) =>
      stat(join(layout, name)).then(
        ({ size }) => size,
        // The file was renamed after it was listed.
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function names(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    // The directory is not there yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
