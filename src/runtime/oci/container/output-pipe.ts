import { fchmodSync } from 'node:fs'
import { Socket } from 'node:net'
import { bytesIn, makePipe, setPipeSize } from '../../../kernel/index.ts'

/**
 * Size of a pipe, in bytes: the most that it gets without privileges (/proc/sys/fs/pipe-max-size), so that a fast writer
 * takes fewer turns.
 */
const pipeSize = 1024 * 1024

/**
 * The buffer of one read, and so the most that a frame of a log holds. All containers share it: what was read is dealt
 * with before anything else is read.
 */
const readBuffer: Buffer = Buffer.allocUnsafeSlow(128 * 1024)

/** Makes a real pipe: Node's own are sockets, which cannot be opened by way of /dev/stdout. */
export function makeOutputPipe(): { read: number; write: number } {
  const pipe = makePipe()
  // If the kernel refuses, the pipe keeps its small size: slower, and no worse.
  setPipeSize(pipe.read, pipeSize)
  // For users that the container's process becomes: whoever has the pipe may open it again as /dev/stdout.
  fchmodSync(pipe.write, 0o666)
  return pipe
}

/** The reading of one pipe. */
export interface OutputReading {
  /** Resolves when nothing more is read; never rejects. */
  readonly ended: Promise<void>
  /**
   * Ends the reading after what the pipe holds now. For a process that has ended while others still hold the pipe: all
   * that it wrote is read, and nobody waits for the others.
   */
  finish(): void
}

/**
 * Reads a pipe as fast as it fills, until nobody holds its other end any more.
 *
 * @param take - must not keep the buffer
 */
export function readOutput(
  fd: number,
  { take, failed }: { take(data: Buffer): void; failed(error: unknown): void },
): OutputReading {
  const ended = Promise.withResolvers<void>()
  /** Bytes that are still wanted. */
  let left = Number.POSITIVE_INFINITY
  const socket = new Socket({
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer: readBuffer,
      callback(length, buffer) {
        if (left <= 0) return true
        take((buffer as Buffer).subarray(0, length))
        left -= length
        if (left <= 0) socket.destroy()
        return true
      },
    },
  })
  socket.on('error', failed)
  socket.on('close', () => ended.resolve())
  socket.resume()
  return {
    ended: ended.promise,
    finish() {
      if (socket.destroyed) return
      left = Math.min(left, bytesIn(fd))
      if (left <= 0) socket.destroy()
    },
  }
}
