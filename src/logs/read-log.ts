import { readFile } from 'node:fs/promises'
import { type FollowLogOptions, followLog, type LogSlice } from './follow-log.ts'
import { decodeFrames, type Frame, type LogStream } from './frame.ts'
import { streamFile } from './keep-streams.ts'

/**
 * Reads a run's log frame by frame, or follows it, as `followLog` does. Where output is no longer kept, a frame on
 * stderr says how much is missing.
 */
export async function* readLog(directory: string, options: FollowLogOptions = {}): AsyncGenerator<Frame> {
  for await (const slice of followLog(directory, options)) yield* framesOf(slice)
}

/** The frames of a slice, in a copy of its bytes. */
function framesOf(slice: LogSlice): Frame[] {
  if ('bytes' in slice) return decodeFrames(Buffer.from(slice.bytes), slice.offset).frames
  const { offset, missing } = slice
  const data = Buffer.from(`[moorage: ${missing} bytes of output are no longer kept]\n`)
  return [{ stream: 'stderr', time: Date.now(), data, end: offset + missing, missing }]
}

/**
 * Reads all of one stream of a log.
 *
 * @returns `too long` when the stream is longer than `limit` bytes, `not kept` when some of the log was dropped before
 *   that
 */
export async function readStream(
  directory: string,
  stream: LogStream,
  { limit }: { limit: number },
): Promise<Buffer | 'too long' | 'not kept'> {
  const beginning = await readBeginning(directory, stream)
  if (beginning !== undefined) return beginning.length > limit ? 'too long' : beginning
  const parts: Buffer[] = []
  let length = 0
  for await (const frame of readLog(directory)) {
    // The missing bytes may have been of this stream.
    if (frame.missing !== undefined) return 'not kept'
    if (frame.stream !== stream) continue
    length += frame.data.length
    if (length > limit) return 'too long'
    parts.push(frame.data)
  }
  return Buffer.concat(parts)
}

async function readBeginning(directory: string, stream: LogStream): Promise<Buffer | undefined> {
  try {
    return await readFile(streamFile(directory, stream))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
