import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { defaultPath } from '../../../definition/default-path.ts'
import { MoorageError } from '../../../errors/index.ts'
import { type LogStream, openLogWriter } from '../../../logs/index.ts'
import type { ExecExit, ExecSpec } from '../../runtime.ts'
import { type OciTool, toolArguments } from '../oci-tool.ts'
import { readOrNothing, sendSignal } from '../processes/processes.ts'

export interface ExecOptions {
  tool: OciTool
  /** Of the OCI runtime. */
  state: string
  /** The container's. */
  bundle: string
  id: string
  /** Unique among those of the container. */
  exec: string
  spec: ExecSpec
  /** The `process` of its config.json, with these arguments. */
  process: unknown
  onProblem: (error: unknown) => void
}

/** For the file that names the process, while it is to be killed. */
const lookAgainAfter = 5

/** How much of the output comes with the exit. */
const keptOutput = 4_096

/** A command in a container that runs; in the launcher's process. */
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
      if (!this.#killed && readOrNothing(this.#pidFile) === '') throw this.#refusal(log, code)
      return { ...exitFrom(code), output: output.toString() }
    } finally {
      for (const name of ['pid', 'log', 'json', 'stdin']) rmSync(this.#path(name), { force: true })
      this.#over.resolve()
    }
  }

  /** Resolves when it needs the container's directories no more; never rejects. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /**
   * Ends the command's first process, as soon as there is one. Never the OCI runtime's: the command is its child, and
   * the container's end waits until somebody has asked about each of its processes.
   */
  kill(): void {
    this.#killed = true
    if (this.#child === undefined || this.#child.exitCode !== null) return
    const pid = Number(readOrNothing(this.#pidFile))
    if (pid > 0) sendSignal(pid, constants.signals.SIGKILL)
    else setTimeout(() => this.kill(), lookAgainAfter)
    // What its descendants hold open is not waited for.
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.destroy()
  }

  #path(name: string): string {
    return join(this.#options.bundle, `exec-${this.#options.exec}.${name}`)
  }

  /** Never /dev/null: `exec` gives what it reads from to the container's user, and that device is the host's. */
  #openInput(): number {
    writeFileSync(this.#path('stdin'), this.#options.spec.stdin ?? '', { mode: 0o600 })
    return openSync(this.#path('stdin'), 'r')
  }

  #refusal(log: string, code: number): MoorageError {
    const words = readOrNothing(log).trim()
    // crun puts a time before each line.
    const reason =
      words.replace(/^\S+Z:\s*/gm, '') || `${this.#options.tool.version} exited with code ${code}`
    return new MoorageError('RUNTIME_FAILED', { id: this.#options.id, reason })
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? 128 + (constants.signals[signal ?? 'SIGKILL'] ?? 0)))
  })
}

/** Both OCI runtimes exit with 128+n when signal n ended the command. */
function exitFrom(code: number): { code: number; signal: string | null } {
  const [name = null] = Object.entries(constants.signals).find(([, number]) => number === code - 128) ?? []
  return { code, signal: name }
}
