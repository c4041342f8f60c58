import { closeSync, openSync, read, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { encodeHeader, headerLength, scanFrames, segmentName } from './frame.ts'
import { openSharedLog, type SharedLog } from './log-directory.ts'

export interface ReadPiecesOptions {
  signal?: AbortSignal
  /**
   * Follow the log: it is read on until its end is written, or until this is aborted, which says that its writer is
   * gone. Without it, what is there now is read.
   */
  ended?: AbortSignal
  /** Only frames that were written at this time, in milliseconds since the epoch, or later. */
  since?: number
  /** Only what stands behind this offset; within a frame it is its rest. */
  from?: number
}

/** Whole frames of a log as they stand there, or a gap. */
export type Piece =
  | {
      /** Where it begins in the log. */
      offset: number
      /** Overwritten by the next piece. */
      bytes: Buffer
    }
  | { offset: number; missing: number }

/** A slow reader holds so much memory, which has room for a frame of the launcher's; a fast one up to the most. */
const leastPiece = 128 * 1024 + headerLength
const mostPiece = 512 * 1024

/** Who comes back for more within so many milliseconds is fast. */
const soon = 5

/** The times of files are those of a clock that ticks some hundred times a second. */
const clockSlack = 1_000

/**
 * A run's log: all that is kept, from the start, in order, and then live. A reader goes at its own pace; where it falls
 * behind what is kept, a gap says how much is missing. Nothing stays open between two pieces but the directory, so that
 * a reader that goes to sleep holds no disk space.
 */
export async function* readPieces(directory: string, options: ReadPiecesOptions = {}): AsyncGenerator<Piece> {
  const { signal, ended } = options
  using log = openSharedLog(directory)
  // Watched before it is read, so that what is written between is not missed.
  using changes = ended ? log.watch() : undefined
  const wake = () => changes?.wake()
  signal?.addEventListener('abort', wake)
  ended?.addEventListener('abort', wake)
  try {
    const place = await Place.find(log, options)
    for (;;) {
      signal?.throwIfAborted()
      // Looked at before reading: what was written before the end is then read for certain.
      const isLast = ended === undefined || ended.aborted
      const seen = changes?.count() ?? 0
      const piece = await place.next()
      if (piece === 'ended') return
      if (piece !== undefined) yield piece
      else if (isLast) return
      else await changes?.after(seen)
    }
  } finally {
    signal?.removeEventListener('abort', wake)
    ended?.removeEventListener('abort', wake)
  }
}

/** How far a reader has come. */
class Place {
  readonly #log: SharedLog
  #since: number | undefined
  readonly #from: number
  /** The segment's offset in the log, and how much of it has been read. */
  #segment: number
  #position = 0
  #buffer: Buffer = Buffer.allocUnsafeSlow(leastPiece)
  /** The segment has been read to what it held when a later one was there: nothing more comes into it. */
  #final = false
  /** When the last piece was given. */
  #given = 0

  static async find(log: SharedLog, { since, from }: ReadPiecesOptions): Promise<Place> {
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
    return new Place(log, first, since, from ?? 0)
  }

  constructor(log: SharedLog, segment: number, since: number | undefined, from: number) {
    this.#log = log
    this.#segment = segment
    this.#since = since
    this.#from = from
  }

  /** What comes next, or nothing if that is not written yet. */
  async next(): Promise<Piece | 'ended' | undefined> {
    const isFast = performance.now() - this.#given < soon
    for (;;) {
      const bytes = await this.#read()
      const { used, ended, wanted } = scanFrames(bytes)
      if (used > 0) {
        const offset = this.#segment + this.#position
        this.#position += used
        this.#final = false
        const isFull = bytes.length === this.#buffer.length
        const piece = this.#wantedOf(bytes.subarray(0, used), offset)
        // A new buffer: this one is on its way out.
        if (isFull && isFast) this.#grow(Math.min(mostPiece, this.#buffer.length * 2))
        this.#given = performance.now()
        if (piece) return piece
        continue
      }
      if (ended) return 'ended'
      if (wanted > this.#buffer.length) {
        this.#grow(wanted)
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
      // Not synchronously: what is not in the page cache any more takes a disk's time.
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
   * Goes to the next segment. There are two ways to be wrong: more may have come to this one between reading it and
   * seeing the next; and a directory that is listed while files come and go may show a later one without an earlier.
   * So a gap is believed the second time only.
   */
  async #nextSegment(): Promise<'moved' | 'none' | Piece> {
    const here = this.#segment + this.#position
    const later = (await this.#log.segments()).find((segment) => segment > this.#segment)
    if (later === undefined) return 'none'
    if (later !== here && !this.#final) {
      this.#final = true
      return 'moved'
    }
    this.#segment = later
    this.#position = 0
    this.#final = false
    const reached = Math.max(here, this.#from)
    return later > reached ? { offset: reached, missing: later - reached } : 'moved'
  }

  /** What of a piece is not too old, or read already. */
  #wantedOf(bytes: Buffer, offset: number): Piece | undefined {
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

  /** From within a frame: its rest as a frame, by a header that takes the place of what was read. */
  #restOf(bytes: Buffer, offset: number, begin: number, behind: number): Piece | undefined {
    const length = bytes.readUInt32LE(begin)
    const from = Math.max(behind, begin + headerLength)
    const header = encodeHeader(
      bytes[begin + 4] ?? 0,
      bytes.readDoubleLE(begin + 5),
      begin + headerLength + length - from,
    )
    // There is room for it: what was read of the frame is its own header at least.
    const start = from - headerLength
    header.copy(bytes, start)
    return { offset: offset + start, bytes: bytes.subarray(start) }
  }
}

const readAt = promisify(read)

/** Of one that is gone: long ago. */
function lastWrite(log: SharedLog, segment: number): number {
  return statSync(join(log.path, segmentName(segment)), { throwIfNoEntry: false })?.mtimeMs ?? 0
}
