import { Socket } from 'node:net'
import { makePipe, setPipeSize } from '../../../kernel/index.ts'

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
  return pipe
}

/**
 * Reads a pipe as fast as it fills, until nobody holds its other end any more.
 *
 * @param take - must not keep the buffer
 */
export function readOutput(
  fd: number,
  { take, failed }: { take(data: Buffer): void; failed(error: unknown): void },
): Promise<void> {
  return new Promise((resolve) => {
    const socket = new Socket({
      fd,
      readable: true,
      writable: false,
      onread: {
        buffer: readBuffer,
        callback(length, buffer) {
          take((buffer as Buffer).subarray(0, length))
          return true
        },
      },
    })
    socket.on('error', failed)
    socket.on('close', () => resolve())
    socket.resume()
  })
}
