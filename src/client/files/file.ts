import type { Node } from '../graph/graph.ts'
import { evaluate } from '../session/evaluate.ts'
import { type CallContext, type Session, signalOf } from '../session/session.ts'
import { exportFile } from './export-file.ts'
import { bytesOf } from './read-output.ts'

/** The most that `contents()` and `bytes()` hold in memory, in bytes. */
const largestInMemory = 256 * 1024 * 1024

/** A regular file, described by value: of a directory or of a container, or what a URL answers. */
export class File {
  /** What it is. */
  readonly node: Node
  readonly #session: Session

  constructor(session: Session, node: Node) {
    this.#session = session
    this.node = node
  }

  /** What is in it, as UTF-8 text. @throws MoorageError FILE_TOO_LARGE above 256 MiB */
  async contents(context: CallContext = {}): Promise<string> {
    return (await this.bytes(context)).toString()
  }

  /** What is in it. @throws MoorageError FILE_TOO_LARGE above 256 MiB */
  bytes(context: CallContext = {}): Promise<Buffer> {
    return bytesOf(this.#session, this.node, 'contents', context, largestInMemory)
  }

  /** In bytes. */
  async size(context: CallContext = {}): Promise<number> {
    return Number((await evaluate(this.#session, this.node, { output: 'size' }, context)).value)
  }

  /** Makes it, if it is not there yet. */
  async sync(context: CallContext = {}): Promise<this> {
    await evaluate(this.#session, this.node, { output: 'sync' }, context)
    return this
  }

  /**
   * Writes it to a file of this machine, at once when all of it has come; a file or a link that is there is replaced. It
   * has the permissions that it has in its filesystem, without set-user-id bits, and belongs to the caller.
   *
   * @throws MoorageError EXPORT_FAILED
   */
  async export(path: string, context: CallContext = {}): Promise<void> {
    const signal = signalOf(this.#session, context)
    await exportFile(path, signal, async (write) => {
      const { permissions = 0o644 } = await evaluate(
        this.#session,
        this.node,
        { output: 'contents' },
        context,
        write,
      )
      return permissions
    })
  }
}
