import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { type DirectoryFilter, digestDirectory } from '../definition/index.ts'
import type { Node } from './graph.ts'

/** A directory of this machine, by its content: read here and sent, so that the daemon opens no path of ours. */
export class HostDirectory implements Node {
  readonly path: string
  readonly #filter: DirectoryFilter
  #read: Promise<{ digest: string; paths: string[] }> | undefined
  #digest: string | undefined

  constructor(path: string, filter: DirectoryFilter = {}) {
    this.path = path
    this.#filter = filter
  }

  /** `sha256:…` over paths, types, exec bits, contents and link targets. It is read once. */
  async digest(): Promise<string> {
    this.#read ??= digestDirectory(this.path, this.#filter)
    const { digest } = await this.#read
    this.#digest = digest
    return digest
  }

  operation(): { op: 'host'; digest: string } {
    // The digest is awaited before a definition is made of it.
    return { op: 'host', digest: this.#digest ?? '' }
  }

  /** Its content as a tar stream, made by the system's tar. */
  async tar(signal: AbortSignal): Promise<Readable> {
    this.#read ??= digestDirectory(this.path, this.#filter)
    const { paths } = await this.#read
    const child = spawn(
      'tar',
      ['--create', '--no-recursion', '--null', '--files-from=-', '--numeric-owner', '--directory', this.path],
      { stdio: ['pipe', 'pipe', 'pipe'], signal },
    )
    let words = ''
    child.stderr.on('data', (chunk) => {
      words += chunk
    })
    child.on('error', (error) => child.stdout.destroy(error))
    child.on('exit', (code) => {
      if (code !== 0) child.stdout.destroy(new Error(`tar of ${this.path}: ${words.trim()}`))
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(paths.map((path) => `./${path}\0`).join(''))
    return child.stdout
  }
}
