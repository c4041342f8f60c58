import { type Piece, type ReadPiecesOptions, readPieces } from './follow-log.ts'
import { decodeFrames, type Frame, gapWords, type LogStream } from './frame.ts'

export interface ReadLogOptions extends ReadPiecesOptions {}

/**
 * The frames of a run's log: all that is kept, from the start, in order, and then live. A reader goes at its own pace;
 * where it falls behind what is kept, a frame on stderr says how much is missing.
 */
export async function* readLog(directory: string, options: ReadLogOptions = {}): AsyncGenerator<Frame> {
  for await (const piece of readPieces(directory, options)) yield* framesOf(piece)
}

/** A piece's frames; they may be kept. */
export function framesOf(piece: Piece): Frame[] {
  if ('bytes' in piece) return decodeFrames(Buffer.from(piece.bytes), piece.offset).frames
  const { offset, missing } = piece
  const data = Buffer.from(gapWords(missing))
  return [{ stream: 'stderr', time: Date.now(), data, end: offset + missing, missing }]
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
