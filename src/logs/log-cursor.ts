import { closeSync, openSync, read, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { encodeHeader, headerLength, scanFrames } from './frame.ts'
import type { LogDirectory } from './log-directory.ts'
import { segmentName } from './segment-name.ts'

/** Whole frames of a log as they stand there, or a gap. */
export type LogSlice =
  | {
      /** Offset of the first byte in the log. */
      offset: number
      /** Overwritten by the next slice. */
      bytes: Buffer
    }
  | { offset: number; missing: number }

/** Which of a log's frames are read: those since a time, and the bytes behind an offset. */
interface CursorStart {
  since?: number
  from?: number
}

/** A slow reader's buffer, in bytes: room for the largest frame of the launcher. A fast reader's grows to `mostBuffer`. */
const leastBuffer = 128 * 1024 + headerLength
const mostBuffer = 512 * 1024

/** A reader that comes back for more within so many milliseconds is fast. */
const soon = 5

/** Tolerance in milliseconds for the times of files: the kernel's clock for them ticks only some hundred times a second. */
const clockSlack = 1_000

/** One reader's position in a log. */
export class LogCursor {
  readonly #log: LogDirectory
  #since: number | undefined
  readonly #from: number
  /** Offset in the log of the segment that is being read. */
  #segment: number
  /** Offset in the segment of the next byte to read. */
  #position = 0
  #buffer: Buffer = Buffer.allocUnsafeSlow(leastBuffer)
  /** A later segment has been seen: the next read finds all that this one will ever hold. */
  #isFinal = false
  /** Time of the last slice, on the clock of `performance.now()`. */
  #lastSliceAt = 0

  /** Opens a cursor at the first segment that may hold frames since `since` or bytes behind `from`. */
  static async open(log: LogDirectory, { since, from }: CursorStart): Promise<LogCursor> {
    const segments = since === undefined && from === undefined ? [] : await log.segments()
    let first = 0
    for (const [i, segment] of segments.entries()) {
      const next = segments[i + 1]
      if (next === undefined) break
      const isOld = since !== undefined && lastWrite(log, segment) + clockSlack < since
      const isBefore = from !== undefined && next <= from
      if (!isOld && !isBefore) break
      first = next
    }
    return new LogCursor(log, first, since, from ?? 0)
  }

  constructor(log: LogDirectory, segment: number, since: number | undefined, from: number) {
    this.#log = log
    this.#segment = segment
    this.#since = since
    this.#from = from
  }

  /** The next slice, `ended` behind the last one, or undefined when nothing more is written yet. */
  async next(): Promise<LogSlice | 'ended' | undefined> {
    const isFast = performance.now() - this.#lastSliceAt < soon
    for (;;) {
      const bytes = await this.#read()
      const { used, ended, needed } = scanFrames(bytes)
      if (used > 0) {
        const offset = this.#segment + this.#position
        this.#position += used
        this.#isFinal = false
        const isFull = bytes.length === this.#buffer.length
        const slice = this.#withoutOld(bytes.subarray(0, used), offset)
        // The new buffer is for the next slice: this one's bytes stay in the old buffer.
        if (isFull && isFast) this.#grow(Math.min(mostBuffer, this.#buffer.length * 2))
        this.#lastSliceAt = performance.now()
        if (slice) return slice
        continue
      }
      if (ended) return 'ended'
      if (needed > this.#buffer.length) {
        this.#grow(needed)
        continue
      }
      const step = await this.#nextSegment()
      if (step === 'none') return undefined
      if (typeof step === 'object') return step
    }
  }

  async #read(): Promise<Buffer> {
    let fd: number
    try {
      fd = openSync(join(this.#log.path, segmentName(this.#segment)), 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
      throw error
    }
    try {
      // Asynchronously: bytes that have left the page cache take a disk's time.
      const { bytesRead } = await readAt(fd, this.#buffer, 0, this.#buffer.length, this.#position)
      return this.#buffer.subarray(0, bytesRead)
    } finally {
      closeSync(fd)
    }
  }

  #grow(length: number): void {
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length)
  }

  /**
   * Moves to the next segment. Two things can deceive: more may have been written to this segment between reading it
   * and seeing the next one; and a directory that is listed while files come and go may show a later segment without an
   * earlier one. So a gap counts only when it is seen a second time.
   */
  async #nextSegment(): Promise<'moved' | 'none' | LogSlice> {
    const here = this.#segment + this.#position
    const later = (await this.#log.segments()).find((segment) => segment > this.#segment)
    if (later === undefined) return 'none'
    if (later !== here && !this.#isFinal) {
      this.#isFinal = true
      return 'moved'
    }
    this.#segment = later
    this.#position = 0
    this.#isFinal = false
    const reached = Math.max(here, this.#from)
    return later > reached ? { offset: reached, missing: later - reached } : 'moved'
  }

  /** Cuts off the frames that are older than `since` or end before `from`; undefined when nothing is left. */
  #withoutOld(bytes: Buffer, offset: number): LogSlice | undefined {
    let skipped = 0
    if (offset < this.#from) {
      const behind = this.#from - offset
      if (behind >= bytes.length) return undefined
      scanFrames(bytes, (begin, length) => {
        if (begin + length <= behind) skipped = begin + length
        return begin + length <= behind
      })
      if (skipped < behind) return this.#restOf(bytes, offset, skipped, behind)
    }
    const since = this.#since
    if (since !== undefined) {
      scanFrames(bytes.subarray(skipped), (_, length, time) => {
        if (time() >= since) {
          this.#since = undefined
          return false
        }
        skipped += length
        return true
      })
    }
    if (skipped === bytes.length) return undefined
    return { offset: offset + skipped, bytes: bytes.subarray(skipped) }
  }

  /** Makes a frame of the rest of a frame: a new header overwrites the bytes before the rest. */
  #restOf(bytes: Buffer, offset: number, begin: number, behind: number): LogSlice | undefined {
    const length = bytes.readUInt32LE(begin)
    const from = Math.max(behind, begin + headerLength)
    const header = encodeHeader(
      bytes[begin + 4] ?? 0,
      bytes.readDoubleLE(begin + 5),
      begin + headerLength + length - from,
    )
    // There is room for the header: the bytes before the rest are at least the frame's own header.
    const start = from - headerLength
    header.copy(bytes, start)
    return { offset: offset + start, bytes: bytes.subarray(start) }
  }
}

const readAt = promisify(read)

/** Time of the last write to a segment; 0 when it is gone. */
function lastWrite(log: LogDirectory, segment: number): number {
  return statSync(join(log.path, segmentName(segment)), { throwIfNoEntry: false })?.mtimeMs ?? 0
}
