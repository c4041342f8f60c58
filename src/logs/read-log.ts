import { watch } from 'node:fs'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeFrames, type Frame, type LogStream, segmentName, segmentOffset } from './frame.ts'

export interface ReadLogOptions {
  signal?: AbortSignal
  /**
   * Follow the log: it is read on until its end is written, or until this is aborted, which says that its writer is
   * gone. Without it, what is there now is read.
   */
  ended?: AbortSignal
}

/** What is read from a file at once. */
const pieceLength = 256 * 1024

/**
 * The frames of a run's log: all that is kept, from the start, in order, and then live. A reader goes at its own pace;
 * where it falls behind what is kept, a frame on stderr says how much is missing.
 */
export async function* readLog(directory: string, options: ReadLogOptions = {}): AsyncGenerator<Frame> {
  const { signal, ended } = options
  // Watched before it is read, so that what is written between is not missed.
  const change = ended ? watchDirectory(directory, [signal, ended]) : undefined
  let segment = 0
  let file: FileHandle | undefined
  let position = 0
  let full = false
  let rest: Buffer = Buffer.alloc(0)
  try {
    for (;;) {
      signal?.throwIfAborted()
      // Looked at before reading: what was written before the end is then read for certain.
      const isLast = ended === undefined || ended.aborted
      const seen = change?.count() ?? 0
      file ??= await openSegment(directory, segment)
      const piece = file ? await readPiece(file, position) : Buffer.alloc(0)
      if (piece.length > 0) {
        position += piece.length
        const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece
        const decoded = decodeFrames(bytes)
        rest = bytes.subarray(decoded.used)
        yield* decoded.frames
        if (decoded.ended) return
        continue
      }
      const next = await followingSegment(directory, segment, file ? segment + position : segment)
      if (next !== undefined) {
        // More may have come to this segment between reading it and seeing the next: it is full only now.
        if (file && next.missing > 0 && !full) {
          full = true
          continue
        }
        full = false
        if (next.missing > 0) yield gap(next.missing)
        await file?.close()
        file = undefined
        segment = next.offset
        position = 0
        rest = Buffer.alloc(0)
        continue
      }
      if (isLast) return
      await change?.after(seen)
    }
  } finally {
    change?.close()
    await file?.close()
  }
}

/**
 * One stream of a log whole.
 *
 * @returns nothing when it is more than `limit` bytes, or when some of the log was not kept
 */
export async function readStream(
  directory: string,
  stream: LogStream,
  { limit }: { limit: number },
): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let length = 0
  for await (const frame of readLog(directory)) {
    // Whether it was of this stream, nobody knows any more.
    if (frame.missing !== undefined) return undefined
    if (frame.stream !== stream) continue
    length += frame.data.length
    if (length > limit) return undefined
    parts.push(frame.data)
  }
  return Buffer.concat(parts)
}

async function openSegment(directory: string, offset: number): Promise<FileHandle | undefined> {
  try {
    return await open(join(directory, segmentName(offset)), 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function readPiece(file: FileHandle, position: number): Promise<Buffer> {
  const piece = Buffer.allocUnsafe(pieceLength)
  const { bytesRead } = await file.read(piece, 0, pieceLength, position)
  return piece.subarray(0, bytesRead)
}

/** The segment after this one, and how many bytes were dropped before it. */
async function followingSegment(
  directory: string,
  segment: number,
  reached: number,
): Promise<{ offset: number; missing: number } | undefined> {
  const offsets = (await readdir(directory))
    .flatMap((name) => segmentOffset(name) ?? [])
    .filter((offset) => offset > segment)
    .sort((a, b) => a - b)
  const [offset] = offsets
  return offset === undefined ? undefined : { offset, missing: Math.max(0, offset - reached) }
}

function gap(bytes: number): Frame {
  const words = `[moorage: ${bytes} bytes of output are no longer kept]\n`
  return { stream: 'stderr', time: Date.now(), data: Buffer.from(words), missing: bytes }
}

interface Change {
  /** How many changes there were. */
  count(): number
  /** Resolves when there was one more than `seen`, or a signal was aborted. */
  after(seen: number): Promise<void>
  close(): void
}

function watchDirectory(directory: string, signals: (AbortSignal | undefined)[]): Change {
  let changes = 0
  let wake = Promise.withResolvers<void>()
  const changed = () => {
    changes += 1
    wake.resolve()
    wake = Promise.withResolvers()
  }
  const watcher = watch(directory, { persistent: false }, changed)
  watcher.on('error', changed)
  for (const signal of signals) signal?.addEventListener('abort', changed, { once: true })
  return {
    count: () => changes,
    after: (seen) => (changes > seen ? Promise.resolve() : wake.promise),
    close() {
      watcher.close()
      for (const signal of signals) signal?.removeEventListener('abort', changed)
    },
  }
}
