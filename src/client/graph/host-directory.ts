import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type DirectoryFilter, digestDirectory, type HostOperation } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { Node } from './graph.ts'

interface Content {
  readonly digest: string
  readonly paths: readonly string[]
}

/** A directory of this machine, by its content: read here and sent, so that the daemon opens no path of ours. */
export class HostDirectory implements Node {
  readonly path: string
  readonly inputs: readonly Node[] = []
  /** What it is called before it was read. */
  readonly identity: string
  readonly #filter: DirectoryFilter
  #reading: Promise<Content> | undefined
  #content: Content | undefined

  constructor(path: string, filter: DirectoryFilter = {}) {
    this.path = resolve(path)
    this.#filter = filter
    this.identity = JSON.stringify([this.path, filter.include, filter.exclude])
  }

  /**
   * `sha256:…` over paths, types, exec bits, contents and link targets. It is read once.
   *
   * @throws MoorageError DIRECTORY_UNREADABLE
   */
  async digest(): Promise<string> {
    return (await this.#read()).digest
  }

  /** Reads it again when it is asked for next: what was read is no more what is there. */
  forget(): void {
    this.#reading = undefined
  }

  operation(): HostOperation {
    if (this.#content === undefined)
      throw new Error(`${this.path} was not read before a definition was made of it`)
    return { op: 'host', digest: this.#content.digest }
  }

  /** Its content as a tar stream, made by the system's tar; errors with DIRECTORY_UNREADABLE. */
  async tar(signal: AbortSignal): Promise<Readable> {
    const { paths } = await this.#read()
    return Readable.from(tarOf(this.path, paths, signal), { objectMode: false })
  }

  #read(): Promise<Content> {
    this.#reading ??= digestDirectory(this.path, this.#filter).then(
      (content) => {
        this.#content = content
        return content
      },
      (error) => {
        // The next call may find it mended.
        this.#reading = undefined
        throw error
      },
    )
    return this.#reading
  }
}

async function* tarOf(
  directory: string,
  paths: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const child = spawn(
    'tar',
    [
      '--create',
      '--file=-',
      `--directory=${directory}`,
      '--numeric-owner',
      '--no-recursion',
      '--null',
      '--files-from=-',
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], signal },
  )
  const closed = new Promise<number | string>((done) => {
    child.on('error', (error) => done(error.message))
    child.on('close', (code, killer) => done(code ?? String(killer)))
  })
  const words = text(child.stderr)
  // When tar gives up first, its own words say more than the broken pipe.
  child.stdin.on('error', () => undefined)
  // Names that begin with a dash are no options behind `../`; --null takes the rest as it is.
  child.stdin.end(paths.map((path) => `./${path}\0`).join(''))
  try {
    yield* child.stdout
    const code = await closed
    if (code === 0) return
    const reason = `tar: ${(await words).trim() || code}`
    throw new MoorageError('DIRECTORY_UNREADABLE', { path: directory, reason })
  } finally {
    child.stdout.destroy()
    child.kill()
  }
}
