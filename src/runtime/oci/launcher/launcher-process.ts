import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { errorFromWire, MoorageError } from '../../../errors/index.ts'
import { type FromLauncher, jsonLine, onJsonLines, type ToLauncher } from './messages.ts'

export interface LauncherOptions {
  instance: string
  runDirectory: string
  ociRuntime?: string
  onMessage(message: FromLauncher): void
  /** It ended: with 0 when it has cleaned up. */
  onExit(code: number | null, words: string): void
}

/** What it says on stderr, of which the end is kept for messages. */
const keptWords = 4_096

/** The launcher, seen from the daemon. */
export class LauncherProcess {
  /** What containers are made with: `crun 1.8.1`. */
  readonly runtime: string
  readonly pid: number
  readonly #child: Child
  readonly #ended: Promise<number | null>

  private constructor(child: Child, ended: Promise<number | null>, runtime: string) {
    this.#child = child
    this.#ended = ended
    this.runtime = runtime
    this.pid = child.pid ?? -1
  }

  /**
   * Starts a launcher and waits until it is ready.
   *
   * @throws MoorageError RUNTIME_MISSING, RUNTIME_FAILED
   */
  static async start(options: LauncherOptions): Promise<LauncherProcess> {
    const child = spawnLauncher(options)
    let words = ''
    child.stderr.on('data', (chunk) => {
      words = (words + chunk).slice(-keptWords)
    })
    // Writing to one that has just died is no error of the writer's: its end is told by `exit`.
    child.stdin.on('error', () => undefined)
    const ready = Promise.withResolvers<string>()
    let refusal: MoorageError | undefined
    const ended = once(child, 'close').then(([code]) => code as number | null)
    ended.then(
      (code) => {
        // Told only now that it has cleaned up: whoever hears of it may remove the run directory.
        ready.reject(
          refusal ??
            new MoorageError('RUNTIME_FAILED', {
              id: 'launcher',
              reason: words.trim() || 'it ended at once',
            }),
        )
        options.onExit(code, words.trim())
      },
      (cause) =>
        ready.reject(new MoorageError('RUNTIME_MISSING', { what: 'unshare (util-linux)' }, { cause })),
    )
    onJsonLines<FromLauncher>(child.stdout, (message) => {
      if (message.type === 'ready') ready.resolve(message.runtime)
      else if (message.type === 'unusable') refusal = errorFromWire(message.error)
      else options.onMessage(message)
    })
    return new LauncherProcess(child, ended, await ready.promise)
  }

  send(message: ToLauncher): void {
    this.#child.stdin.write(jsonLine(message))
  }

  /** Has it kill everything, clean up and end. */
  async close(): Promise<void> {
    this.#child.stdin.end()
    await this.#ended
  }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

/**
 * Its own mount namespace, which mounts and unmounts of the host reach but whose own do not reach the host; its own
 * session, so that what signals the daemon's terminal or group passes it by.
 */
function spawnLauncher({ instance, runDirectory, ociRuntime }: LauncherOptions): Child {
  const program = join(import.meta.dirname, `launcher${extname(import.meta.filename)}`)
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...env } = process.env
  const args = [program, instance, runDirectory, ...(ociRuntime === undefined ? [] : [ociRuntime])]
  return spawn('unshare', ['--mount', '--propagation', 'slave', '--', process.execPath, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    env,
    cwd: '/',
  })
}
