import type { FileAttributes } from '../../definition/index.ts'
import { copied, type NewFileOptions, type PutOptions, removed, written } from '../graph/file-changes.ts'
import { PartNode } from '../graph/file-nodes.ts'
import type { Node } from '../graph/graph.ts'
import { HostDirectory } from '../graph/host-directory.ts'
import { pathWithin } from '../graph/path.ts'
import { evaluate } from '../session/evaluate.ts'
import { type CallContext, type Session, signalOf } from '../session/session.ts'
import { exportDirectory } from './export-directory.ts'
import { File } from './file.ts'
import { bytesOf } from './read-output.ts'

export interface ExportOptions extends CallContext {
  /** Put it in the place of what is there; otherwise it comes to what is there already. */
  wipe?: boolean
}

/**
 * A directory, described by value: an empty one, one of this machine, or one that a container has made. Its paths are
 * from its own root; links in it lead nowhere out of it. Nothing runs until something asynchronous is awaited; then what
 * makes it is run, with the services that it is bound to.
 */
export class Directory {
  /** What it is. */
  readonly node: Node
  readonly #session: Session

  constructor(session: Session, node: Node) {
    this.#session = session
    this.node = node
  }

  #with(node: Node): Directory {
    return new Directory(this.#session, node)
  }

  /** A directory in it. @throws MoorageError INVALID_OPTION */
  directory(path: string): Directory {
    return this.#with(new PartNode('directory', this.node, pathWithin('directory', path)))
  }

  /** A regular file in it. @throws MoorageError INVALID_OPTION */
  file(path: string): File {
    return new File(this.#session, new PartNode('file', this.node, pathWithin('file', path)))
  }

  /** The same with a file at `path`; directories on the way are made. */
  withFile(path: string, file: File, options: PutOptions & FileAttributes = {}): Directory {
    return this.#with(copied(this.node, file.node, pathWithin('file', path), options))
  }

  /** The same with what is in a directory put into the one at `path`, which is made if need be. */
  withDirectory(path: string, directory: Directory, options: PutOptions = {}): Directory {
    return this.#with(copied(this.node, directory.node, pathWithin('directory', path), options))
  }

  /** The same with a new file. */
  withNewFile(path: string, contents: string | Uint8Array, options: NewFileOptions = {}): Directory {
    return this.#with(written(this.node, pathWithin('file', path), contents, options))
  }

  /** The same without a file, or a link; there need be none. */
  withoutFile(path: string): Directory {
    return this.#with(removed(this.node, pathWithin('file', path)))
  }

  /** The same without a directory and all that is in it; there need be none. */
  withoutDirectory(path: string): Directory {
    return this.#with(removed(this.node, pathWithin('directory', path), { recursive: true }))
  }

  /** The names in it, sorted by their bytes; what is not UTF-8 in one is shown as U+FFFD. */
  async entries(context: CallContext = {}): Promise<string[]> {
    const names = await bytesOf(this.#session, this.node, 'entries', context)
    return names.toString().split('\0').slice(0, -1)
  }

  /**
   * The digest of its content, `sha256:…`: paths, types, exec bits, contents and link targets; not times or owners. A
   * directory of this machine is only read for it.
   */
  async digest(context: CallContext = {}): Promise<string> {
    if (this.node instanceof HostDirectory) return this.node.digest()
    return String((await evaluate(this.#session, this.node, { output: 'contentDigest' }, context)).value)
  }

  /** Makes it, if it is not there yet. */
  async sync(context: CallContext = {}): Promise<this> {
    await evaluate(this.#session, this.node, { output: 'sync' }, context)
    return this
  }

  /**
   * Writes what is in it to a directory of this machine, which is made if need be: nothing of it until all has come.
   * Files belong to the caller; devices, pipes and sockets stay behind, and so do set-user-id bits. Links are written as
   * links, and none that is there is written through.
   *
   * @throws MoorageError EXPORT_FAILED
   */
  async export(path: string, { wipe = false, ...context }: ExportOptions = {}): Promise<void> {
    const signal = signalOf(this.#session, context)
    await exportDirectory(path, { wipe, signal }, async (write) => {
      await evaluate(this.#session, this.node, { output: 'tar' }, context, write)
    })
  }
}
