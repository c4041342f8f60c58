import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeFrames, type LogStream } from './frame.ts'
import { segmentOffset } from './segment-name.ts'

/** Bytes of the log that are searched for a stream that is silent while the other one writes. */
const farthest = 16 * 1024 * 1024

/**
 * Reads the last bytes of each stream, `count` at most. It goes from the newest segment backwards, so that it is as
 * quick for a long log as for a short one. For a stream that has been silent for 16 MiB of the other, it goes on in the
 * log's first segment.
 */
export async function lastBytes(directory: string, count: number): Promise<Record<LogStream, Buffer>> {
  const found: Record<LogStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  const names = (await readdir(directory)).filter((name) => segmentOffset(name) !== undefined).sort()
  // One buffer for all segments: they are large, and little of each is kept.
  let buffer: Buffer = Buffer.alloc(0)
  let searched = 0
  for (const [i, name] of names.toReversed().entries()) {
    if (searched >= farthest && i < names.length - 1) continue
    const segment = await readSegment(join(directory, name), buffer)
    buffer = segment.buffer
    searched += segment.length
    const { frames } = decodeFrames(buffer.subarray(0, segment.length))
    for (const stream of ['stdout', 'stderr'] as const) {
      const missing = count - found[stream].length
      if (missing <= 0) continue
      found[stream] = Buffer.concat([lastOfStream(frames, stream, missing), found[stream]])
    }
    if (found.stdout.length >= count && found.stderr.length >= count) break
  }
  return found
}

function lastOfStream(
  frames: readonly { stream: LogStream; data: Buffer }[],
  stream: LogStream,
  count: number,
): Buffer {
  const parts: Buffer[] = []
  let length = 0
  for (let i = frames.length - 1; i >= 0 && length < count; i -= 1) {
    const frame = frames[i]
    if (frame?.stream !== stream) continue
    parts.unshift(frame.data)
    length += frame.data.length
  }
  return Buffer.concat(parts).subarray(Math.max(0, length - count))
}

/** Reads a segment into `buffer`, or into a larger one. A segment that was dropped since the listing is empty. */
async function readSegment(path: string, buffer: Buffer): Promise<{ buffer: Buffer; length: number }> {
  try {
    await using file = await open(path, 'r')
    const { size } = await file.stat()
    const target = size > buffer.length ? Buffer.allocUnsafeSlow(size) : buffer
    const { bytesRead } = await file.read(target, 0, size, 0)
    return { buffer: target, length: bytesRead }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { buffer, length: 0 }
    throw error
  }
}
