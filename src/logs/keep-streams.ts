import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { followLog } from './follow-log.ts'
import { decodeFrames, type LogStream } from './frame.ts'

export interface KeepStreamsOptions {
  /** Bytes of each stream; of a longer one this many and one more are kept. */
  limit: number
  /** Aborted when the writer is gone. */
  ended: AbortSignal
  /** Called with the offset of the log up to which it has read. */
  reached(offset: number): void
}

const streams: readonly LogStream[] = ['stdout', 'stderr']

/** The file beside a log's segments that holds the beginning of one of its streams. */
export function streamFile(directory: string, stream: LogStream): string {
  return join(directory, `${stream}.beginning`)
}

/**
 * Follows a log whose output may be more than is kept, and keeps the beginning of each stream in a file beside the
 * segments, so that a short stream can be read whole however long the other one is.
 */
export async function keepStreams(
  directory: string,
  { limit, ended, reached }: KeepStreamsOptions,
): Promise<void> {
  const files = new Map<LogStream, { file: FileHandle; length: number }>()
  try {
    for (const stream of streams) {
      files.set(stream, { file: await open(streamFile(directory, stream), 'w', 0o600), length: 0 })
    }
    for await (const slice of followLog(directory, { ended })) {
      if ('missing' in slice) throw new Error(`${slice.missing} bytes of the log are missing`)
      for (const { stream, data } of decodeFrames(slice.bytes).frames) {
        const kept = files.get(stream)
        const part = data.subarray(0, limit + 1 - (kept?.length ?? 0))
        if (kept === undefined || part.length === 0) continue
        await kept.file.writeFile(part)
        kept.length += part.length
      }
      reached(slice.offset + slice.bytes.length)
      if ([...files.values()].every(({ length }) => length > limit)) return
    }
  } catch (error) {
    for (const stream of streams) await rm(streamFile(directory, stream), { force: true })
    throw error
  } finally {
    for (const { file } of files.values()) await file.close()
  }
}
