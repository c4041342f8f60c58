import type { Node } from '../graph/graph.ts'
import { evaluate } from '../session/evaluate.ts'
import { type CallContext, type Session, signalOf } from '../session/session.ts'
import { exportFile } from './export-file.ts'
import { bytesOf } from './read-output.ts'

/** The largest file in bytes that `contents()` and `bytes()` read. */
const largestInMemory = 256 * 1024 * 1024

/** A regular file, described by value: of a directory, of a container, or from a URL. */
export class File {
  /** The file as a node of a definition. */
  readonly node: Node
  readonly #session: Session

  constructor(session: Session, node: Node) {
    this.#session = session
    this.node = node
  }

  /** The content as UTF-8 text. @throws MoorageError FILE_TOO_LARGE above 256 MiB */
  async contents(context: CallContext = {}): Promise<string> {
    return (await this.bytes(context)).toString()
  }

  /** The content. @throws MoorageError FILE_TOO_LARGE above 256 MiB */
  bytes(context: CallContext = {}): Promise<Buffer> {
    return bytesOf(this.#session, this.node, 'contents', context, largestInMemory)
  }

  /** The size in bytes. */
  async size(context: CallContext = {}): Promise<number> {
    return Number((await evaluate(this.#session, this.node, { output: 'size' }, context)).value)
  }

  /** Runs the commands that make the file, unless it is stored. */
  async sync(context: CallContext = {}): Promise<this> {
    await evaluate(this.#session, this.node, { output: 'sync' }, context)
    return this
  }

  /**
   * Writes the content to a file of this machine: it appears there when all of it has arrived, and replaces a file or a
   * link. It belongs to the caller and keeps its permissions, without set-user-id bits.
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
