/**
 * A log is a sequence of frames: length (u32), stream (u8), time (f64, milliseconds since the epoch), then the bytes;
 * little-endian. Binary, because JSON text costs three to five times as much on short lines.
 */

export type LogStream = 'stdout' | 'stderr'

export const headerLength = 13

/** What the stream byte says. `end`: no more can come. */
export const streamCodes = { end: 0, stdout: 1, stderr: 2 } as const

export interface Frame {
  stream: LogStream
  /** When it was read from the container, milliseconds since the epoch. */
  time: number
  data: Buffer
  /** Only in what stands for output that is no longer kept: how many bytes of the log that is. `data` says it in words. */
  missing?: number
}

export function encodeHeader(code: number, time: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(headerLength)
  header.writeUInt32LE(length, 0)
  header.writeUInt8(code, 4)
  header.writeDoubleLE(time, 5)
  return header
}

/**
 * Cuts the frames out of a piece of a log.
 *
 * @returns the whole frames, whether the last of them says that the log has ended, and how many bytes were used
 */
export function decodeFrames(bytes: Buffer): { frames: Frame[]; ended: boolean; used: number } {
  const frames: Frame[] = []
  let used = 0
  while (bytes.length - used >= headerLength) {
    const length = bytes.readUInt32LE(used)
    const code = bytes.readUInt8(used + 4)
    if (code === streamCodes.end) return { frames, ended: true, used: used + headerLength }
    if (code !== streamCodes.stdout && code !== streamCodes.stderr) {
      throw new Error(`not a log: a frame of kind ${code} and ${length} bytes`)
    }
    if (bytes.length - used < headerLength + length) break
    const begin = used + headerLength
    frames.push({
      stream: code === streamCodes.stdout ? 'stdout' : 'stderr',
      time: bytes.readDoubleLE(used + 5),
      data: bytes.subarray(begin, begin + length),
    })
    used = begin + length
  }
  return { frames, ended: false, used }
}

/** A segment is named by the offset of its first byte in the whole log, so that what is missing can be counted. */
export function segmentName(offset: number): string {
  return `${String(offset).padStart(16, '0')}.log`
}

export function segmentOffset(name: string): number | undefined {
  const match = /^(\d{16})\.log$/.exec(name)
  return match ? Number(match[1]) : undefined
}
