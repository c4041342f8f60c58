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

/** A directory of this machine, by its content: this process reads and sends it, so that the daemon opens no path of the caller's. */
export class HostDirectory implements Node {
  readonly path: string
  readonly inputs: readonly Node[] = []
  /** Its path and filter as text, which identify it before it is read. */
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
   * `sha256:…` over paths, types, exec bits, contents and link targets, and the directory's own mode. The directory is read once.
   *
   * @throws MoorageError DIRECTORY_UNREADABLE
   */
  async digest(): Promise<string> {
    return (await this.#read()).digest
  }

  /** Forgets the content, so that the next call reads the directory again. */
  forget(): void {
    this.#reading = undefined
  }

  operation(): HostOperation {
    if (this.#content === undefined)
      throw new Error(`${this.path} was not read before a definition was made of it`)
    return { op: 'host', digest: this.#content.digest }
  }

  /** Its content as a tar stream, made by the system's tar. The stream fails with DIRECTORY_UNREADABLE. */
  async tar(signal: AbortSignal): Promise<Readable> {
    const { paths } = await this.#read()
    return Readable.from(tarOf(this.path, paths, signal), { objectMode: false })
  }

  #read(): Promise<Content> {
    this.#reading ??= digestDirectory(this.path, this.#filter).then(
      ({ rooted, paths }) => {
        const content = { digest: rooted, paths }
        this.#content = content
        return content
      },
      (error) => {
        // The next call tries again: the cause may have gone.
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
  const messages = text(child.stderr)
  // When tar gives up first, its own message says more than the broken pipe.
  child.stdin.on('error', () => undefined)
  // Behind `./` a name that begins with a dash is no option; --null takes any other name literally.
  child.stdin.end(['', ...paths].map((path) => `./${path}\0`).join(''))
  try {
    yield* child.stdout
    const code = await closed
    if (code === 0) return
    const reason = `tar: ${(await messages).trim() || code}`
    throw new MoorageError('DIRECTORY_UNREADABLE', { path: directory, reason })
  } finally {
    child.stdout.destroy()
    child.kill()
  }
}
