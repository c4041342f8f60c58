import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { makePipe } from '../../kernel/index.ts'
import type { InputStream } from '../runtime.ts'

/**
 * A real pipe that becomes the standard input of a container or a command, in the daemon's process. The launcher opens
 * its end by way of /proc; bulk data would hold up its messages. When nobody reads the pipe any more, nothing more is taken
 * from the source.
 */
export class InputPipe {
  /** The path at which the launcher, as root, opens the end to read. */
  readonly path: string
  readonly #stream: InputStream
  readonly #socket: Socket
  /** Held until the launcher has opened its own: a pipe without a reader would break. */
  #read: number | undefined
  #isOver = false

  constructor(stream: InputStream) {
    const { read, write } = makePipe()
    this.#read = read
    this.path = `/proc/${process.pid}/fd/${read}`
    this.#stream = stream
    this.#socket = new Socket({ fd: write, readable: false, writable: true })
    const { source } = stream
    this.#socket.on('error', () => this.#stop())
    this.#socket.on('close', () => this.#stop())
    this.#socket.on('drain', () => source.resume())
    source.on('data', this.#pass)
    source.on('end', this.#end)
    // Input that breaks off has no end of file: whoever sent it has gone, which ends the command.
    source.on('error', this.#abandon)
    source.on('close', this.#abandon)
    if (source.readableEnded) this.#end()
    else if (source.destroyed) this.close()
  }

  /** The launcher has opened its end. */
  opened(): void {
    if (this.#read !== undefined) closeSync(this.#read)
    this.#read = undefined
  }

  /** Ends it, at the latest when the container or the command has ended. */
  close(): void {
    this.opened()
    this.#stop()
  }

  readonly #pass = (chunk: Buffer): void => {
    if (!this.#socket.write(chunk)) this.#stream.source.pause()
  }

  readonly #end = (): void => {
    this.#socket.end()
  }

  readonly #abandon = (): void => {
    if (!this.#stream.source.readableEnded) this.#stop()
  }

  #stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { source, onUnwanted } = this.#stream
    source.off('data', this.#pass).off('end', this.#end).off('close', this.#abandon)
    source.pause()
    this.#socket.destroy()
    if (!source.readableEnded) onUnwanted()
  }
}
