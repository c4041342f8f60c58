import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setInterval as every } from 'node:timers/promises'

/** How often the files are looked at, in milliseconds. */
const interval = 500

/**
 * Watches an OCI layout that skopeo copies into, until `signal` aborts: skopeo itself says nothing when nobody looks.
 *
 * @param onGrowth - told the bytes that are there, when there are more
 * @param onStall - called when there have been no more for `patience` milliseconds
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

/** Blobs grow under a temporary name, and are renamed when they are whole. */
async function bytesIn(layout: string): Promise<number> {
  const files = [
    ...(await names(layout)).filter((name) => name.startsWith('oci-put-blob')),
    ...(await names(join(layout, 'blobs/sha256'))).map((name) => join('blobs/sha256', name)),
  ]
  const sizes = await Promise.all(
    files.map((name) =>
      stat(join(layout, name)).then(
        ({ size }) => size,
        // Renamed between the listing and now.
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
    // Not made yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
