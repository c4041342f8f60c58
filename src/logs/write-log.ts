import { closeSync, openSync, rmSync, writeSync, writevSync } from 'node:fs'
import { join } from 'node:path'
import { encodeHeader, headerLength, type LogStream, streamCodes } from './frame.ts'
import { segmentName } from './segment-name.ts'

/** Bytes of a run's log that are kept on disk. */
export const defaultLimit: number = 64 * 1024 * 1024

/** The least number of segments of a log at its limit; when there are more, one at a time is dropped. */
const leastSegments = 16

/** Sizes of a segment in bytes. The upper bound keeps dropping one quick. */
const longestSegment = 4 * 1024 * 1024
const shortestSegment = 64 * 1024

export interface LogWriter {
  /** Length of the log so far, in bytes; those that are no longer kept count. */
  readonly offset: number
  /** Writes a piece of output; synchronous, into the page cache. `data` is not kept. */
  append(stream: LogStream, data: Buffer, time: number): void
  /** Writes the end frame, and closes the log. */
  end(): void
}

export interface LogWriterOptions {
  /** Bytes on disk, at least 1 MiB. @defaultValue 64 MiB */
  limit?: number
  /**
   * Called once, when output cannot be written because the disk is full or failing. Later output is not kept, and
   * readers see how much is missing. Without this callback the error is thrown.
   */
  onError?: (error: unknown) => void
}

/**
 * Opens a writer of a run's output into segment files of a directory. Past the limit, the first segment and the newest
 * ones are kept, those between are dropped.
 */
export function openLogWriter(
  directory: string,
  { limit = defaultLimit, onError }: LogWriterOptions = {},
): LogWriter {
  const segmentSize = Math.min(longestSegment, Math.max(shortestSegment, Math.floor(limit / leastSegments)))
  const mostSegments = Math.max(leastSegments, Math.floor(limit / segmentSize))
  // A quarter of a segment: little of it stays empty when the next frame does not fit.
  const longestData = Math.floor(segmentSize / 4) - headerLength
  const kept: number[] = [0]
  let offset = 0
  let segmentEnd = segmentSize
  let file: number | undefined = openSync(join(directory, segmentName(0)), 'w', 0o600)
  let failed = false

  const close = () => {
    if (file !== undefined) closeSync(file)
    file = undefined
  }

  const nextSegment = () => {
    close()
    file = openSync(join(directory, segmentName(offset)), 'w', 0o600)
    kept.push(offset)
    segmentEnd = offset + segmentSize
    // The first segment stays: the beginning of a run tells more than its middle.
    while (kept.length > mostSegments) {
      const [dropped] = kept.splice(1, 1)
      if (dropped !== undefined) rmSync(join(directory, segmentName(dropped)), { force: true })
    }
  }

  const write = (parts: Buffer[], length: number) => {
    try {
      if (!failed && offset >= segmentEnd) nextSegment()
      if (!failed && file !== undefined) writeWhole(file, parts, length)
    } catch (error) {
      // Frames behind half a frame could not be read: nothing more is written to this segment.
      failed = true
      if (onError === undefined) throw error
      onError(error)
    } finally {
      offset += length
    }
  }

  return {
    get offset() {
      return offset
    },
    append(stream, data, time) {
      for (let begin = 0; begin < data.length; begin += longestData) {
        const part = data.subarray(begin, begin + longestData)
        const length = headerLength + part.length
        // A frame is never split between segments, and no segment is longer than its size: so the limit holds.
        if (offset + length > segmentEnd) segmentEnd = offset
        write([encodeHeader(streamCodes[stream], time, part.length), part], length)
      }
    },
    end() {
      if (failed) {
        // The name of a new segment tells readers by its offset how much is missing; there may be room again.
        failed = false
        segmentEnd = offset
      }
      write([encodeHeader(streamCodes.end, Date.now(), 0)], headerLength)
      close()
    },
  }
}

function writeWhole(file: number, parts: Buffer[], length: number): void {
  let written = writevSync(file, parts)
  if (written === length) return
  // A short write is rare (a full disk, a signal): write the rest in a loop.
  const whole = Buffer.concat(parts)
  while (written < length) written += writeSync(file, whole, written)
}
