import type { ChildProcess } from 'node:child_process'
import { openSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { moorageError } from '../../../errors/index.ts'
import { type LogStream, openLogWriter } from '../../../logs/index.ts'
import { withoutUndefined } from '../../../without-undefined.ts'
import type { ContainerExit, ExecExit, ExecSpec } from '../../runtime.ts'
import type { ExecGroup } from '../cgroups/exec-group.ts'
import { RefusalWatch, untriedCommand } from '../command/refusal-words.ts'
import { type OciTool, toolArguments, toolFailure } from '../oci-tool.ts'
import { exitOf } from '../processes/exit.ts'
import type { Reaper } from '../processes/reaper.ts'
import { sendSignal } from '../processes/signals.ts'
import { readIfThere } from '../read-if-there.ts'
import { OutputGate, readOutput } from './output-pipe.ts'
import { openInputPipe, outcomeOf, spawnWithPipes, type ToolOutcome } from './spawn-with-pipes.ts'

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
  /** The command and where it is executed, for messages. */
  wanted: { command: string; image: string; workdir: string }
  /** A `process` as in config.json (OCI runtime specification). */
  process: unknown
  reaper: Reaper
  makeGroup: () => Promise<ExecGroup | undefined>
  /** The offset at which its log stops until more is allowed. */
  upTo: number | undefined
  onHeld: () => void
  onLogFailed: (error: unknown) => void
  onInputOpened: (path: string) => void
  onProblem: (what: string, error: unknown) => void
}

/** Interval between two rounds of signals, in milliseconds: for a first process that is about to exist, or a group. */
const roundInterval = 5

/** From SIGTERM to SIGKILL for a command that is to end, in milliseconds; a run has as long. */
const interruptTimeout = 2_000

/** The longest that processes may take to end after SIGKILL, in milliseconds; more means that the kernel holds them. */
const killTimeout = 10_000

/** The last bytes of the output that come with the exit. */
const keptOutput = 4_096

/** Enters the group whose file is the first argument, and becomes the command that follows. */
const enterGroup = 'echo 0 2>/dev/null >"$0"; exec "$@"'

/**
 * A command in a running container; in the launcher's process. It is over when its first process is: what that leaves in
 * the background lives on, unless the command was interrupted.
 */
export class Exec {
  readonly #options: ExecOptions
  readonly #pidFile: string
  readonly #over = Promise.withResolvers<void>()
  readonly #gate: OutputGate
  #group: ExecGroup | undefined
  #pid: number | undefined
  #began = false
  #ended = false
  #interrupted = false
  #escalation: NodeJS.Timeout | undefined

  constructor(options: ExecOptions) {
    this.#options = options
    this.#gate = new OutputGate(options.upTo ?? Infinity, options.onHeld)
    this.#pidFile = this.#path('pid')
  }

  /** Its processes; undefined where they cannot be told apart from others, or before it began. */
  get group(): ExecGroup | undefined {
    return this.#group
  }

  /** @throws MoorageError RUNTIME_FAILED */
  async run(): Promise<ExecExit> {
    const { tool, spec, wanted, process, reaper, onProblem } = this.#options
    try {
      this.#group = await this.#options.makeGroup()
      writeFileSync(this.#path('json'), JSON.stringify(process), { mode: 0o600 })
      const onError = (error: unknown) => {
        onProblem('write the log', error)
        this.#options.onLogFailed(error)
      }
      const logOptions = { ...withoutUndefined({ limit: spec.logLimit }), onError }
      const writer = spec.logs === undefined ? undefined : openLogWriter(spec.logs, logOptions)
      let output = Buffer.alloc(0)
      const watch = new RefusalWatch(tool.kind, (stream, data) => {
        if (writer) {
          writer.append(stream, data, Date.now())
          return this.#gate.advance(writer.offset)
        }
        output = Buffer.concat([output, data]).subarray(-keptOutput)
        return true
      })
      const stopExpecting = reaper.expect()
      try {
        const { child, outputs } = this.#spawn()
        const readings = (['stdout', 'stderr'] as const).map((stream) =>
          readOutput(outputs[stream], {
            gate: this.#gate,
            take: (data) => watch.take(stream, data),
            failed: (error) => onProblem(`read the ${stream}`, error),
          }),
        )
        let exit: ContainerExit
        try {
          exit = await this.#exitOf(child, stopExpecting)
        } finally {
          for (const reading of readings) reading.finish()
          await Promise.all(readings.map(({ ended }) => ended))
        }
        const reason = watch.end(exit.code)
        if (reason !== undefined) throw moorageError('COMMAND_NOT_EXECUTABLE', { ...wanted, reason })
        return { ...exit, output: output.toString() }
      } finally {
        stopExpecting()
        writer?.end()
      }
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
   * Ends it as a run is ended: its first process gets SIGTERM and some time to clean up, then all that it has started gets
   * SIGKILL.
   */
  interrupt(): void {
    if (this.#interrupted) return
    this.#interrupted = true
    // It is over when its output has been read, which nobody wants any more.
    this.#gate.allow(Infinity)
    this.#terminate()
  }

  /** Lets its log go on up to an offset. */
  allow(upTo: number): void {
    if (!this.#interrupted) this.#gate.allow(upTo)
  }

  /**
   * Waits for the OCI runtime, which ends as soon as the command runs, and then for the command.
   *
   * @param stopExpecting - is called when the command's pid is known, or when there will be none
   */
  async #exitOf(child: ChildProcess, stopExpecting: () => void): Promise<ContainerExit> {
    this.#began = true
    if (this.#interrupted) this.#terminate()
    const outcome = await outcomeOf(child)
    this.#pid ??= this.#readPid()
    try {
      if (this.#pid === undefined || outcome instanceof Error || outcome.code !== 0)
        throw this.#refusal(outcome)
      const ended = this.#options.reaper.endOf(this.#pid)
      stopExpecting()
      return exitOf(await ended)
    } finally {
      this.#ended = true
      clearTimeout(this.#escalation)
      if (this.#interrupted) await this.#killAll()
    }
  }

  #refusal(outcome: ToolOutcome | Error): unknown {
    if (outcome instanceof Error) return outcome
    const { tool, id, wanted } = this.#options
    const log = this.#path('log')
    return untriedCommand(readIfThere(log), wanted) ?? toolFailure(tool, { id, log, ...outcome })
  }

  #terminate(): void {
    if (!this.#began || this.#ended) return
    this.#pid ??= this.#readPid()
    if (this.#pid === undefined) {
      this.#escalation = setTimeout(() => this.#terminate(), roundInterval)
      return
    }
    sendSignal(this.#pid, constants.signals.SIGTERM)
    this.#escalation = setTimeout(() => void this.#killAll(), interruptTimeout)
  }

  /** Kills its processes again and again, since they may make more, until none is left. */
  async #killAll(): Promise<void> {
    const deadline = Date.now() + killTimeout
    for (;;) {
      const pids = this.#processes()
      for (const pid of pids) sendSignal(pid, constants.signals.SIGKILL)
      if (pids.length === 0) return
      if (Date.now() > deadline) {
        this.#options.onProblem(
          'kill the processes',
          new Error(`${pids.length} do not end: ${pids.join(', ')}`),
        )
        return
      }
      await delay(roundInterval)
    }
  }

  /** Lists its processes; where there is no group, its first process as long as that lives. */
  #processes(): number[] {
    if (this.#group) return this.#group.processes()
    return this.#pid === undefined || this.#ended ? [] : [this.#pid]
  }

  /** Reads the pid of its first process, which the OCI runtime writes in one piece when that exists. */
  #readPid(): number | undefined {
    const pid = Number(readIfThere(this.#pidFile))
    return pid > 0 ? pid : undefined
  }

  #spawn(): { child: ChildProcess; outputs: Record<LogStream, number> } {
    const { tool, state, id } = this.#options
    const command = [
      tool.path,
      ...toolArguments(tool, { state, log: this.#path('log') }),
      ...['exec', '--detach', '--process', this.#path('json'), '--pid-file', this.#pidFile],
      ...(this.#group?.options ?? []),
      id,
    ]
    const entrance = this.#group?.entrance
    const [path = '', ...args] =
      entrance === undefined ? command : ['/bin/sh', '-c', enterGroup, entrance, ...command]
    return spawnWithPipes(path, args, this.#openInput())
  }

  #path(name: string): string {
    return join(this.#options.bundle, `exec-${this.#options.exec}.${name}`)
  }

  /** Never /dev/null: `exec` gives its input file to the container's user, and that device belongs to the host. */
  #openInput(): number {
    const { stdin = '', stdinPipe } = this.#options.spec
    if (stdinPipe !== undefined) return openInputPipe(stdinPipe, this.#options.onInputOpened)
    writeFileSync(this.#path('stdin'), stdin, { mode: 0o644 })
    return openSync(this.#path('stdin'), 'r')
  }
}
