/**
 * A log is a sequence of frames: length (u32), stream (u8), time (f64, milliseconds since the epoch), then the bytes;
 * little-endian. Binary, because JSON text costs three to five times as much on short lines. It is the same on disk and
 * on the wire, so that segments are sent as they are.
 *
 * This file is a door of its own: clients read the wire, and need nothing of the files.
 */

export type LogStream = 'stdout' | 'stderr'

export const headerLength = 13

/**
 * What the stream byte says. On disk `end`: no more can come. On the wire `event`: a JSON document, of
 * those that the NDJSON form has a line for, and `data`: what a file or a directory holds.
 */
export const streamCodes = { end: 0, stdout: 1, stderr: 2, event: 3, data: 4 } as const

/** The media type of the wire. */
export const framesType = 'application/vnd.moorage.frames'

export interface Frame {
  stream: LogStream
  /** When it was read from the container, milliseconds since the epoch. */
  time: number
  data: Buffer
  /** Where it ends in the log, in bytes from its start: to read on from. */
  end: number
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

/** A frame that only the wire has. */
export function encodeEvent(event: unknown, time: number): Buffer {
  const data = Buffer.from(JSON.stringify(event))
  return Buffer.concat([encodeHeader(streamCodes.event, time, data.length), data])
}

/** What the beginning of a piece of a log holds, without looking at its bytes. */
export interface Scan {
  /** How many bytes of whole frames, without the end. */
  used: number
  /** The end stands behind them. */
  ended: boolean
  /** How many bytes the frame takes that is not whole, if so much of it is there. */
  wanted: number
}

/**
 * Looks for whole frames of output.
 *
 * @param visit - may end it by returning false: then that frame is not counted
 */
export function scanFrames(
  bytes: Buffer,
  visit?: (begin: number, length: number, time: () => number) => boolean,
): Scan {
  let used = 0
  while (bytes.length - used >= headerLength) {
    const length = bytes.readUInt32LE(used)
    const code = bytes[used + 4]
    if (code === streamCodes.end) return { used, ended: true, wanted: 0 }
    if (code !== streamCodes.stdout && code !== streamCodes.stderr) {
      throw new Error(`not a log: a frame of kind ${code} and ${length} bytes`)
    }
    const begin = used
    if (bytes.length - used < headerLength + length)
      return { used, ended: false, wanted: headerLength + length }
    if (visit && !visit(begin, headerLength + length, () => bytes.readDoubleLE(begin + 5))) break
    used += headerLength + length
  }
  return { used, ended: false, wanted: 0 }
}

/**
 * Cuts the frames out of a piece of a log.
 *
 * @param offset - where the piece begins in the log
 * @returns the whole frames, whether the end stands behind them, and how many bytes they are
 */
export function decodeFrames(bytes: Buffer, offset = 0): { frames: Frame[]; ended: boolean; used: number } {
  const frames: Frame[] = []
  const { used, ended } = scanFrames(bytes, (begin, length, time) => {
    frames.push({
      stream: bytes[begin + 4] === streamCodes.stdout ? 'stdout' : 'stderr',
      time: time(),
      data: bytes.subarray(begin + headerLength, begin + length),
      end: offset + begin + length,
    })
    return true
  })
  return { frames, ended, used }
}

/** What people read where output is no longer kept. */
export function gapWords(missing: number): string {
  return `[moorage: ${missing} bytes of output are no longer kept]\n`
}

/** A segment is named by the offset of its first byte in the whole log, so that what is missing can be counted. */
export function segmentName(offset: number): string {
  return `${String(offset).padStart(16, '0')}.log`
}

export function segmentOffset(name: string): number | undefined {
  const match = /^(\d{16})\.log$/.exec(name)
  return match ? Number(match[1]) : undefined
}
