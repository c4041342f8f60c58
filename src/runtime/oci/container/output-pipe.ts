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

/** A pipe whose reading can be held up. */
interface OutputReader {
  pause(): unknown
  resume(): unknown
}

/**
 * Holds up the reading of a container's output while its log is as far ahead of its readers as it may be. The pipes then
 * fill, and the container waits, as it does for any slow reader of a pipe.
 */
export class OutputGate {
  readonly #readers: OutputReader[] = []
  readonly #onHeld: () => void
  #upTo: number
  #offset = 0
  #held = false

  /** @param upTo - the offset of the log at which reading stops until more is allowed; `Infinity`: never */
  constructor(upTo: number, onHeld: () => void) {
    this.#upTo = upTo
    this.#onHeld = onHeld
  }

  add(reader: OutputReader): void {
    this.#readers.push(reader)
    if (this.#held) reader.pause()
  }

  /** Notes how long the log is now. Returns false if nothing more may be read. */
  advance(offset: number): boolean {
    this.#offset = offset
    if (offset < this.#upTo) return true
    if (!this.#held) {
      this.#held = true
      for (const reader of this.#readers) reader.pause()
      this.#onHeld()
    }
    return false
  }

  allow(upTo: number): void {
    this.#upTo = upTo
    if (!this.#held || this.#offset >= upTo) return
    this.#held = false
    for (const reader of this.#readers) reader.resume()
  }
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
 * Reads a pipe as fast as the gate lets it, until nobody holds its other end any more.
 *
 * @param take - must not keep the buffer; returns false when nothing more may be read for now
 */
export function readOutput(
  fd: number,
  { gate, take, failed }: { gate: OutputGate; take(data: Buffer): boolean; failed(error: unknown): void },
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
        const goesOn = take((buffer as Buffer).subarray(0, length))
        left -= length
        if (left <= 0) socket.destroy()
        return goesOn
      },
    },
  })
  socket.on('error', failed)
  socket.on('close', () => ended.resolve())
  socket.resume()
  gate.add(socket)
  return {
    ended: ended.promise,
    finish() {
      if (socket.destroyed) return
      left = Math.min(left, bytesIn(fd))
      if (left <= 0) socket.destroy()
    },
  }
}
