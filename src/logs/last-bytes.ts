import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeFrames, type LogStream, segmentOffset } from './frame.ts'

/** How far back it is looked for a stream that is silent while the other is not. */
const farthest = 16 * 1024 * 1024

/**
 * The last bytes of each stream. Read from the newest segment backwards, so that the tail of a long log is as quick as
 * that of a short one; of a stream that has been silent for 16 MiB of the other, what the log's beginning has of it.
 */
export async function tailLog(directory: string, bytes: number): Promise<Record<LogStream, Buffer>> {
  const tails: Record<LogStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  const names = (await readdir(directory)).filter((name) => segmentOffset(name) !== undefined).sort()
  // One for all segments: they are large, and looked at for little.
  let buffer: Buffer = Buffer.alloc(0)
  let looked = 0
  for (const [i, name] of names.toReversed().entries()) {
    if (looked >= farthest && i < names.length - 1) continue
    const read = await readSegment(join(directory, name), buffer)
    buffer = read.buffer
    looked += read.length
    const { frames } = decodeFrames(buffer.subarray(0, read.length))
    for (const stream of ['stdout', 'stderr'] as const) {
      const wanted = bytes - tails[stream].length
      if (wanted <= 0) continue
      tails[stream] = Buffer.concat([lastBytes(frames, stream, wanted), tails[stream]])
    }
    if (tails.stdout.length >= bytes && tails.stderr.length >= bytes) break
  }
  return tails
}

function lastBytes(
  frames: readonly { stream: LogStream; data: Buffer }[],
  stream: LogStream,
  wanted: number,
): Buffer {
  const parts: Buffer[] = []
  let length = 0
  for (let i = frames.length - 1; i >= 0 && length < wanted; i -= 1) {
    const frame = frames[i]
    if (frame?.stream !== stream) continue
    parts.unshift(frame.data)
    length += frame.data.length
  }
  return Buffer.concat(parts).subarray(Math.max(0, length - wanted))
}

/** Into the buffer, or a larger one. What is dropped between the listing and the reading is missing like those before. */
async function readSegment(path: string, given: Buffer): Promise<{ buffer: Buffer; length: number }> {
  try {
    await using file = await open(path, 'r')
    const { size } = await file.stat()
    const buffer = size > given.length ? Buffer.allocUnsafeSlow(size) : given
    const { bytesRead } = await file.read(buffer, 0, size, 0)
    return { buffer, length: bytesRead }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { buffer: given, length: 0 }
    throw error
  }
}
