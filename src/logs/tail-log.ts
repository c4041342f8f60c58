import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeFrames, type LogStream, segmentOffset } from './frame.ts'

/**
 * The last bytes of each stream. Read from the newest segment backwards, so that the tail of a long log is as quick as
 * that of a short one.
 */
export async function tailLog(directory: string, bytes: number): Promise<Record<LogStream, Buffer>> {
  const tails: Record<LogStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  const names = (await readdir(directory)).filter((name) => segmentOffset(name) !== undefined).sort()
  for (const name of names.reverse()) {
    const { frames } = decodeFrames(await readSegment(join(directory, name)))
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

/** One that is dropped between the listing and the reading is missing like those before it. */
async function readSegment(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
