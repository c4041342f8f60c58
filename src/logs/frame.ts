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
 * Values of the stream byte. `end`, on disk only, is the last frame. `event`, on the wire only, is a JSON document that
 * would be a line in the NDJSON form; `data`, on the wire only, is a piece of a file's or a directory's content.
 */
export const streamCodes = { end: 0, stdout: 1, stderr: 2, event: 3, data: 4 } as const

/** The media type of the wire. */
export const framesType = 'application/vnd.moorage.frames'

export interface Frame {
  stream: LogStream
  /** When the launcher read it from the container, in milliseconds since the epoch. */
  time: number
  data: Buffer
  /** Offset of its end in the log, in bytes; a reader can go on from there. */
  end: number
  /** Set in a frame that stands for output that is no longer kept: its length in bytes of the log. `data` says it in words. */
  missing?: number
}

export function encodeHeader(code: number, time: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(headerLength)
  header.writeUInt32LE(length, 0)
  header.writeUInt8(code, 4)
  header.writeDoubleLE(time, 5)
  return header
}

/** Encodes a frame of the wire that no log has. */
export function encodeEvent(event: unknown, time: number): Buffer {
  const data = Buffer.from(JSON.stringify(event))
  return Buffer.concat([encodeHeader(streamCodes.event, time, data.length), data])
}

/** The whole frames at the beginning of a piece of a log. */
export interface Scan {
  /** Their length in bytes, without the end frame. */
  used: number
  /** True when the end frame follows them. */
  ended: boolean
  /** Length in bytes of the frame that is cut off, header included; 0 when that is unknown. */
  needed: number
}

/**
 * Finds the whole frames of output, without looking at their data.
 *
 * @param visit - called for each frame; when it returns false the scan ends, and that frame does not count
 */
export function scanFrames(
  bytes: Buffer,
  visit?: (begin: number, length: number, time: () => number) => boolean,
): Scan {
  let used = 0
  while (bytes.length - used >= headerLength) {
    const length = bytes.readUInt32LE(used)
    const code = bytes[used + 4]
    if (code === streamCodes.end) return { used, ended: true, needed: 0 }
    if (code !== streamCodes.stdout && code !== streamCodes.stderr) {
      throw new Error(`not a log: a frame of kind ${code} and ${length} bytes`)
    }
    const begin = used
    if (bytes.length - used < headerLength + length)
      return { used, ended: false, needed: headerLength + length }
    if (visit && !visit(begin, headerLength + length, () => bytes.readDoubleLE(begin + 5))) break
    used += headerLength + length
  }
  return { used, ended: false, needed: 0 }
}

/**
 * Cuts the frames out of a piece of a log.
 *
 * @param offset - offset of the piece in the log
 * @returns the whole frames, whether the end frame follows them, and their length in bytes
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
