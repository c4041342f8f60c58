import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { errorFromWire, MoorageError } from '../../../errors/index.ts'
import { type FromLauncher, jsonLine, onJsonLines, type ToLauncher } from './messages.ts'

interface LauncherOptions {
  instance: string
  runDirectory: string
  ociRuntime?: string
  onMessage(message: FromLauncher): void
  /** Called at its end: with code 0 if it has cleaned up, and with the end of its stderr. */
  onExit(code: number | null, stderr: string): void
}

/** The last characters of its stderr that are kept for error messages. */
const keptStderr = 4_096

/** The launcher as the daemon sees it. */
export class LauncherProcess {
  /** The OCI runtime in use: `crun 1.8.1`. */
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
    let stderr = ''
    child.stderr.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-keptStderr)
    })
    // A write to a launcher that has just died is no error: `close` reports its end.
    child.stdin.on('error', () => undefined)
    const ready = Promise.withResolvers<string>()
    let refusal: MoorageError | undefined
    const ended = once(child, 'close').then(([code]) => code as number | null)
    ended.then(
      (code) => {
        // Reported only now that it has cleaned up: the caller may then remove the run directory.
        ready.reject(
          refusal ??
            new MoorageError('RUNTIME_FAILED', {
              id: 'launcher',
              reason: stderr.trim() || 'it ended at once',
            }),
        )
        options.onExit(code, stderr.trim())
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

  /** Makes it kill everything, clean up and end. */
  async close(): Promise<void> {
    this.#child.stdin.end()
    await this.#ended
  }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

/**
 * Spawns the launcher in a mount namespace of its own, which sees mounts of the host while the host sees none of its; and
 * in a session of its own, so that signals to the daemon's terminal or process group do not reach it.
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
