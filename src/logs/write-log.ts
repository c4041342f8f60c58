import { closeSync, openSync, rmSync, writeSync, writevSync } from 'node:fs'
import { join } from 'node:path'
import { encodeHeader, headerLength, type LogStream, segmentName, streamCodes } from './frame.ts'

/** How much of a run's output is kept. */
export const defaultLimit: number = 64 * 1024 * 1024

/** Into how many files that is cut: one of them at a time is dropped when there is more. */
const segments = 16

export interface LogWriter {
  /** Writes a piece of output; synchronous, into the page cache. */
  append(stream: LogStream, data: Buffer, time: number): void
  /** Says that no more can come, and closes. */
  end(): void
}

/**
 * Writes a run's output into segment files of a directory. Past the limit the first segment and the newest are kept,
 * those between are dropped.
 */
export function openLogWriter(
  directory: string,
  { limit = defaultLimit }: { limit?: number } = {},
): LogWriter {
  const segmentSize = Math.max(64 * 1024, Math.floor(limit / segments))
  const kept: number[] = [0]
  let offset = 0
  let segmentEnd = segmentSize
  let file = openSync(join(directory, segmentName(0)), 'w', 0o600)

  const nextSegment = () => {
    closeSync(file)
    file = openSync(join(directory, segmentName(offset)), 'w', 0o600)
    kept.push(offset)
    segmentEnd = offset + segmentSize
    // The first stays: how a run began tells more than its middle.
    while (kept.length > segments) {
      const [dropped] = kept.splice(1, 1)
      if (dropped !== undefined) rmSync(join(directory, segmentName(dropped)), { force: true })
    }
  }

  const write = (parts: Buffer[], length: number) => {
    let written = writevSync(file, parts)
    offset += length
    if (written === length) return
    // A short write is rare (a full disk, a signal): the rest goes byte for byte.
    const whole = Buffer.concat(parts)
    while (written < length) written += writeSync(file, whole, written)
  }

  return {
    append(stream, data, time) {
      if (offset >= segmentEnd) nextSegment()
      write([encodeHeader(streamCodes[stream], time, data.length), data], headerLength + data.length)
    },
    end() {
      write([encodeHeader(streamCodes.end, Date.now(), 0)], headerLength)
      closeSync(file)
    },
  }
}
