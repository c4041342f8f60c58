import type { FileAttributes } from '../../definition/index.ts'
import { copied, type NewFileOptions, type PutOptions, removed, written } from '../graph/file-changes.ts'
import { partNode } from '../graph/file-nodes.ts'
import type { Node } from '../graph/graph.ts'
import { HostDirectory } from '../graph/host-directory.ts'
import { pathWithin } from '../graph/path.ts'
import { evaluate } from '../session/evaluate.ts'
import { type CallContext, type Session, signalOf } from '../session/session.ts'
import { exportDirectory } from './export-directory.ts'
import { File } from './file.ts'
import { bytesOf } from './read-output.ts'

export interface ExportOptions extends CallContext {
  /** Replace the directory at the path; otherwise the content is added to it. */
  wipe?: boolean
}

/**
 * A directory, described by value: an empty one, one of this machine, or one of a container. Its paths begin at its own
 * root; links in it lead nowhere out of it. Nothing runs until an asynchronous method is called; that runs the commands
 * that make the directory, with the services that they are bound to.
 */
export class Directory {
  /** The directory as a node of a definition. */
  readonly node: Node
  readonly #session: Session

  constructor(session: Session, node: Node) {
    this.#session = session
    this.node = node
  }

  #with(node: Node): Directory {
    return new Directory(this.#session, node)
  }

  /** A directory in this one. @throws MoorageError INVALID_OPTION */
  directory(path: string): Directory {
    return this.#with(partNode('directory', this.node, pathWithin('directory', path)))
  }

  /** A regular file in this directory. @throws MoorageError INVALID_OPTION */
  file(path: string): File {
    return new File(this.#session, partNode('file', this.node, pathWithin('file', path)))
  }

  /** Puts a file at `path`; missing directories above it are created. */
  withFile(path: string, file: File, options: PutOptions & FileAttributes = {}): Directory {
    return this.#with(copied(this.node, file.node, pathWithin('file', path), options))
  }

  /** Puts the content of a directory into the one at `path`, which is created if missing. */
  withDirectory(path: string, directory: Directory, options: PutOptions = {}): Directory {
    return this.#with(copied(this.node, directory.node, pathWithin('directory', path), options))
  }

  /** Writes a file; by default it belongs to root and everybody may read it. */
  withNewFile(path: string, contents: string | Uint8Array, options: NewFileOptions = {}): Directory {
    return this.#with(written(this.node, pathWithin('file', path), contents, options))
  }

  /** Removes a file or a link, if there is one. */
  withoutFile(path: string): Directory {
    return this.#with(removed(this.node, pathWithin('file', path)))
  }

  /** Removes a directory and its content, if there is one. */
  withoutDirectory(path: string): Directory {
    return this.#with(removed(this.node, pathWithin('directory', path), { recursive: true }))
  }

  /** The names in the directory, sorted by their bytes; bytes that are not UTF-8 are shown as U+FFFD. */
  async entries(context: CallContext = {}): Promise<string[]> {
    const names = await bytesOf(this.#session, this.node, 'entries', context)
    return names.toString().split('\0').slice(0, -1)
  }

  /**
   * The digest of the content, `sha256:…`: paths, types, exec bits, contents and link targets; not times or owners. For a
   * directory of this machine, this process computes it and nothing is sent.
   */
  async digest(context: CallContext = {}): Promise<string> {
    if (this.node instanceof HostDirectory) return this.node.digest()
    return String((await evaluate(this.#session, this.node, { output: 'contentDigest' }, context)).value)
  }

  /** Runs the commands that make the directory, unless it is stored. */
  async sync(context: CallContext = {}): Promise<this> {
    await evaluate(this.#session, this.node, { output: 'sync' }, context)
    return this
  }

  /**
   * Writes the content to a directory of this machine, which is created if missing. Nothing is written there before all
   * of the content has arrived. Files belong to the caller; devices, pipes, sockets and set-user-id bits are left out.
   * Links are written as links, and no link that is there is followed.
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
