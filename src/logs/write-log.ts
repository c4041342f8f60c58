import { closeSync, openSync, rmSync, writeSync, writevSync } from 'node:fs'
import { join } from 'node:path'
import { encodeHeader, headerLength, type LogStream, segmentName, streamCodes } from './frame.ts'

/** How much of a run's output is kept. */
export const defaultLimit: number = 64 * 1024 * 1024

/**
 * Into how many files that is cut, at least: one of them at a time is dropped when there is more. None is longer than
 * this, so that dropping one never takes long.
 */
const segments = 16
const longestSegment = 4 * 1024 * 1024
const shortestSegment = 64 * 1024

export interface LogWriter {
  /** Writes a piece of output; synchronous, into the page cache. `data` is not kept. */
  append(stream: LogStream, data: Buffer, time: number): void
  /** Says that no more can come, and closes. */
  end(): void
}

export interface LogWriterOptions {
  /** Bytes on disk. At least 1 MiB. @defaultValue 64 MiB */
  limit?: number
  /**
   * Told once, when output cannot be written because the disk is full or failing: what comes after is not kept, and
   * readers see how much is missing. Without it the error is thrown.
   */
  onError?: (error: unknown) => void
}

/**
 * Writes a run's output into segment files of a directory. Past the limit the first segment and the newest are kept,
 * those between are dropped.
 */
export function openLogWriter(
  directory: string,
  { limit = defaultLimit, onError }: LogWriterOptions = {},
): LogWriter {
  const segmentSize = Math.min(longestSegment, Math.max(shortestSegment, Math.floor(limit / segments)))
  const most = Math.max(segments, Math.floor(limit / segmentSize))
  // So that little of a segment stays empty where the next frame does not fit.
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
    // The first stays: how a run began tells more than its middle.
    while (kept.length > most) {
      const [dropped] = kept.splice(1, 1)
      if (dropped !== undefined) rmSync(join(directory, segmentName(dropped)), { force: true })
    }
  }

  const write = (parts: Buffer[], length: number) => {
    try {
      if (!failed && offset >= segmentEnd) nextSegment()
      if (!failed && file !== undefined) writeWhole(file, parts, length)
    } catch (error) {
      // What stands behind half a frame could not be read: nothing more goes into this segment.
      failed = true
      if (onError === undefined) throw error
      onError(error)
    } finally {
      offset += length
    }
  }

  return {
    append(stream, data, time) {
      for (let begin = 0; begin < data.length; begin += longestData) {
        const part = data.subarray(begin, begin + longestData)
        const length = headerLength + part.length
        // A frame is in one segment, and that is not longer than it may be: so the bound is one.
        if (offset + length > segmentEnd) segmentEnd = offset
        write([encodeHeader(streamCodes[stream], time, part.length), part], length)
      }
    },
    end() {
      if (failed) {
        // The offset in a later segment's name tells readers how much is missing; there may be room again.
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
  // A short write is rare (a full disk, a signal): the rest goes byte for byte.
  const whole = Buffer.concat(parts)
  while (written < length) written += writeSync(file, whole, written)
}
