import { runTool, toolError } from '../system-tool/index.ts'

/**
 * Waits until what was written to the filesystem of a directory is on the disk itself: an image is pinned for good, and
 * a loss of power must not leave one of empty files.
 */
export async function syncFilesystem(directory: string, signal: AbortSignal): Promise<void> {
  const result = await runTool('sync', ['--file-system', directory], { signal })
  if (result.code !== 0) throw toolError(`sync --file-system ${directory}`, result)
}
