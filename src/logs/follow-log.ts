import { LogCursor, type LogSlice } from './log-cursor.ts'
import { openLogDirectory } from './log-directory.ts'

export type { LogSlice } from './log-cursor.ts'

export interface FollowLogOptions {
  signal?: AbortSignal
  /**
   * Follow the log: read on until its end is written, or until this signal is aborted, which says that the writer is
   * gone. Without it, reading stops at what is written now.
   */
  ended?: AbortSignal
  /** Only frames of this time, in milliseconds since the epoch, or later. */
  since?: number
  /** Only bytes behind this offset of the log. Within a frame, the rest of the frame counts. */
  from?: number
}

/**
 * Reads a run's log: all that is kept, from the start and in order, then live. Each reader goes at its own pace; where
 * it falls behind the bytes that are kept, a gap says how many are missing. Between two slices only the directory is
 * open, so that a reader that goes to sleep holds no disk space.
 */
export async function* followLog(
  directory: string,
  options: FollowLogOptions = {},
): AsyncGenerator<LogSlice> {
  const { signal, ended } = options
  using log = openLogDirectory(directory)
  // The watch begins before the first read, so that nothing written in between is missed.
  using changes = ended ? log.watch() : undefined
  const wake = () => changes?.wake()
  signal?.addEventListener('abort', wake)
  ended?.addEventListener('abort', wake)
  try {
    const cursor = await LogCursor.open(log, options)
    for (;;) {
      signal?.throwIfAborted()
      // Checked before reading: then everything that was written before the end is read.
      const isLast = ended === undefined || ended.aborted
      const seen = changes?.count() ?? 0
      const slice = await cursor.next()
      if (slice === 'ended') return
      if (slice !== undefined) yield slice
      else if (isLast) return
      else await changes?.after(seen)
    }
  } finally {
    signal?.removeEventListener('abort', wake)
    ended?.removeEventListener('abort', wake)
  }
}
