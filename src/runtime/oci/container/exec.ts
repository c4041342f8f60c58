import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { defaultPath } from '../../../definition/default-path.ts'
import { signalName } from '../../../definition/signals.ts'
import { type LogStream, openLogWriter } from '../../../logs/index.ts'
import type { ExecExit, ExecSpec } from '../../runtime.ts'
import { type OciTool, toolArguments, toolFailure } from '../oci-tool.ts'
import { sendSignal } from '../processes/signals.ts'
import { readIfThere } from '../read-if-there.ts'

interface ExecOptions {
  tool: OciTool
  /** The OCI runtime's state directory. */
  state: string
  /** The container's bundle directory. */
  bundle: string
  /** The container's ID. */
  id: string
  /** Unique among the commands of the container. */
  exec: string
  spec: ExecSpec
  /** A `process` as in config.json (OCI runtime specification). */
  process: unknown
  onProblem: (error: unknown) => void
}

/** Polling interval for the pid of a command that is to be killed, in milliseconds. */
const pidPollInterval = 5

/** The last bytes of the output that come with the exit. */
const keptOutput = 4_096

/** A command in a running container; in the launcher's process. */
export class Exec {
  readonly #options: ExecOptions
  readonly #pidFile: string
  readonly #over = Promise.withResolvers<void>()
  #child: ChildProcess | undefined
  #killed = false

  constructor(options: ExecOptions) {
    this.#options = options
    this.#pidFile = this.#path('pid')
  }

  /** @throws MoorageError RUNTIME_FAILED */
  async run(): Promise<ExecExit> {
    const { tool, state, id, spec, process, onProblem } = this.#options
    const log = this.#path('log')
    try {
      writeFileSync(this.#path('json'), JSON.stringify(process), { mode: 0o600 })
      const writer = spec.logs === undefined ? undefined : openLogWriter(spec.logs, { onError: onProblem })
      let output = Buffer.alloc(0)
      const take = (stream: LogStream) => (chunk: Buffer) => {
        if (writer) writer.append(stream, chunk, Date.now())
        else output = Buffer.concat([output, chunk]).subarray(-keptOutput)
      }
      const input = this.#openInput()
      const child = spawn(
        tool.path,
        [
          ...toolArguments(tool, { state, log }),
          ...['exec', '--process', this.#path('json'), '--pid-file', this.#pidFile, id],
        ],
        { stdio: [input, 'pipe', 'pipe'], cwd: '/', env: { PATH: defaultPath } },
      )
      closeSync(input)
      this.#child = child
      child.stdout?.on('data', take('stdout'))
      child.stderr?.on('data', take('stderr'))
      if (this.#killed) this.kill()
      const code = await exitOf(child)
      writer?.end()
      if (!this.#killed && readIfThere(this.#pidFile) === '')
        throw toolFailure(tool, { id, log, code, signal: null })
      // Both OCI runtimes exit with 128+n when signal n ended the command.
      return { code, signal: signalName(code - 128) ?? null, output: output.toString() }
    } finally {
      for (const name of ['pid', 'log', 'json', 'stdin']) rmSync(this.#path(name), { force: true })
      this.#over.resolve()
    }
  }

  /** Resolves when the container's directories are no longer needed; never rejects. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /**
   * Kills the command's first process, as soon as there is one. Never the OCI runtime: the command is its child, and the
   * container does not end before each of its processes was waited for.
   */
  kill(): void {
    this.#killed = true
    if (this.#child === undefined || this.#child.exitCode !== null) return
    const pid = Number(readIfThere(this.#pidFile))
    if (pid > 0) sendSignal(pid, constants.signals.SIGKILL)
    else setTimeout(() => this.kill(), pidPollInterval)
    // Its descendants may hold the pipes open; their end is not awaited.
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.destroy()
  }

  #path(name: string): string {
    return join(this.#options.bundle, `exec-${this.#options.exec}.${name}`)
  }

  /** Never /dev/null: `exec` gives its input file to the container's user, and that device belongs to the host. */
  #openInput(): number {
    writeFileSync(this.#path('stdin'), this.#options.spec.stdin ?? '', { mode: 0o600 })
    return openSync(this.#path('stdin'), 'r')
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? 128 + (constants.signals[signal ?? 'SIGKILL'] ?? 0)))
  })
}
