import { Socket } from 'node:net'
import { makePipe, setPipeSize } from '../../../kernel/index.ts'

/** The most that a pipe holds without special rights (/proc/sys/fs/pipe-max-size): so many fewer turns for a fast writer. */
const pipeSize = 1024 * 1024

/**
 * What one read takes, and so the most that a frame of a log holds. One buffer serves all containers: what is read is
 * dealt with before anything else is read.
 */
const shared: Buffer = Buffer.allocUnsafeSlow(128 * 1024)

/** Real pipes: Node's own are sockets, and those cannot be opened by way of /dev/stdout. */
export function outputPipe(): { read: number; write: number } {
  const pipe = makePipe()
  // Where the kernel refuses, it stays as small as pipes are: slower, and no worse.
  setPipeSize(pipe.read, pipeSize)
  return pipe
}

/**
 * Reads a pipe as fast as it fills, until nobody has its other end any more.
 *
 * @param take - must not keep what it is given
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
        buffer: shared,
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
