import type { ChildProcess } from 'node:child_process'
import { type FSWatcher, rmSync, watch } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { signalNumber } from '../../../definition/signals.ts'
import { MoorageError } from '../../../errors/index.ts'
import type { EndedChild } from '../../../kernel/index.ts'
import { type LogStream, type LogWriter, openLogWriter } from '../../../logs/index.ts'
import { withoutUndefined } from '../../../without-undefined.ts'
import type { ContainerExit, ContainerSpec, ExecExit, ExecSpec } from '../../runtime.ts'
import { containerCgroup, outOfMemoryKills, processesIn, removeCgroup } from '../cgroups/cgroups.ts'
import type { ExecGroup, MakeExecGroup } from '../cgroups/exec-group.ts'
import { RefusalWatch, untriedCommand } from '../command/refusal-words.ts'
import { type OciTool, toolArguments, toolFailure } from '../oci-tool.ts'
import { exitOf } from '../processes/exit.ts'
import type { Reaper } from '../processes/reaper.ts'
import { sendSignal } from '../processes/signals.ts'
import { readIfThere } from '../read-if-there.ts'
import type { RuntimePaths } from '../runtime-paths.ts'
import { Bundle } from './bundle.ts'
import type { ConfigContext } from './config.ts'
import { Exec } from './exec.ts'
import { OutputGate, readOutput } from './output-pipe.ts'
import { outcomeOf, spawnWithPipes, type ToolOutcome } from './spawn-with-pipes.ts'

/** The parts of a launcher that its containers share. */
export interface ContainerContext extends ConfigContext {
  readonly paths: RuntimePaths
  readonly tool: OciTool
  readonly reaper: Reaper
  readonly makeExecGroup: MakeExecGroup
}

/** Interval between two rounds of SIGKILL for a cgroup that must become empty, in milliseconds. */
const killInterval = 10

/** The events of a container, in this order: `failed` alone; or `started`, then `exited`. */
export interface ContainerEvents {
  started(pid: number, notes: string[]): void
  failed(error: unknown): void
  exited(exit: ContainerExit): void
  /** The log may not go on for now: that of the container, or of a command in it. */
  held(exec?: string): void
  /** Output cannot be written. */
  logFailed(error: unknown, exec?: string): void
  /** The pipe of an input has been opened: that of the container, or of a command in it. */
  inputOpened(path: string): void
  /** Something went wrong that nobody waits for. */
  problem(what: string, error: unknown): void
}

/** One container, from its mounts to their removal; in the launcher's process. */
export class LaunchedContainer {
  /** Settles when nothing of it is left; never rejects. */
  readonly removed: Promise<void>
  readonly #context: ContainerContext
  readonly #spec: ContainerSpec
  readonly #events: ContainerEvents
  readonly #bundle: Bundle
  readonly #cgroup: string
  readonly #removed = Promise.withResolvers<void>()
  readonly #execs = new Map<string, Exec>()
  readonly #gate: OutputGate
  /** Groups of commands that have ended, with processes that these left behind. */
  readonly #leftGroups = new Set<ExecGroup>()
  #notes: string[] = []
  readonly #refusal: RefusalWatch
  #log: LogWriter | undefined
  #watcher: FSWatcher | undefined
  #pid: number | undefined
  #killed = false
  #ended = false

  /** @param upTo - the offset at which its log stops until more is allowed */
  constructor(context: ContainerContext, spec: ContainerSpec, events: ContainerEvents, upTo = Infinity) {
    this.#context = context
    this.#spec = spec
    this.#events = events
    this.#gate = new OutputGate(upTo, () => events.held())
    this.#bundle = new Bundle(join(context.paths.bundles, spec.id), spec)
    this.#cgroup = containerCgroup(context.instance, spec.id)
    this.#refusal = new RefusalWatch(context.tool.kind, (stream, data) => {
      this.#log?.append(stream, data, Date.now())
      return this.#gate.advance(this.#log?.offset ?? 0)
    })
    this.removed = this.#removed.promise
  }

  /** Everything up to the OCI runtime's process is synchronous: so a start takes a millisecond. */
  start(): void {
    try {
      const { tool, paths, reaper } = this.#context
      this.#notes = this.#bundle.prepare(this.#context)
      const { id, logs, logLimit } = this.#spec
      this.#log = openLogWriter(logs, {
        ...withoutUndefined({ limit: logLimit }),
        onError: (error) => {
          this.#events.problem(`write the log of ${id}`, error)
          this.#events.logFailed(error)
        },
      })
      this.#watcher = watch(this.#bundle.directory, () => this.#lookForPid())
      const stopExpecting = reaper.expect()
      try {
        const { child, outputs } = spawnWithPipes(
          tool.path,
          [
            ...toolArguments(tool, { state: paths.state, log: this.#bundle.path('log') }),
            ...['run', '--detach', '--bundle', this.#bundle.directory],
            ...['--pid-file', this.#bundle.path('pid'), id],
          ],
          this.#bundle.openInput((path) => this.#events.inputOpened(path)),
        )
        void this.#follow(child, outputs, stopExpecting)
      } catch (error) {
        stopExpecting()
        throw error
      }
    } catch (error) {
      void this.#fail(error)
    }
  }

  /** Sends a signal to the container's first process, as long as it lives. */
  signal(name: string): void {
    if (this.#pid === undefined || this.#ended) return
    const number = signalNumber(name)
    if (number === undefined)
      this.#events.problem(`signal ${this.#spec.id}`, new Error(`${name} is no signal`))
    else sendSignal(this.#pid, number)
  }

  /** Kills its first process, as soon as there is one. The kernel ends the others of its pid namespace with that one. */
  kill(): void {
    this.#killed = true
    this.signal('SIGKILL')
    // It ends only when its output has been read, and that of the commands in it.
    this.#gate.allow(Infinity)
    for (const exec of this.#execs.values()) exec.allow(Infinity)
  }

  /** Lets a log go on up to an offset: its own, or that of a command in it. */
  allow(upTo: number, exec?: string): void {
    if (exec === undefined) this.#gate.allow(upTo)
    else this.#execs.get(exec)?.allow(upTo)
  }

  /**
   * Runs a command besides its own, as the same user, to its end.
   *
   * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, RUNTIME_FAILED
   */
  async exec(name: string, spec: ExecSpec, upTo?: number): Promise<ExecExit> {
    const { paths, tool, reaper, makeExecGroup } = this.#context
    const { id } = this.#spec
    if (this.#pid === undefined || this.#ended)
      throw new MoorageError('RUNTIME_FAILED', { id, reason: 'it does not run' })
    const exec = new Exec({
      tool,
      state: paths.state,
      bundle: this.#bundle.directory,
      id,
      exec: name,
      spec,
      wanted: this.#wanted(spec.args),
      process: this.#bundle.processOf(spec.args, this.#pid),
      reaper,
      makeGroup: () => makeExecGroup(id, name),
      upTo,
      onHeld: () => this.#events.held(name),
      onLogFailed: (error) => this.#events.logFailed(error, name),
      onInputOpened: (path) => this.#events.inputOpened(path),
      onProblem: (what, error) => this.#events.problem(`${what} of a command in ${id}`, error),
    })
    this.#execs.set(name, exec)
    try {
      return await exec.run()
    } finally {
      this.#execs.delete(name)
      if (exec.group) this.#leftGroups.add(exec.group)
      this.#attempt('remove the groups of commands', () => this.#removeGroups())
    }
  }

  /** Ends a command, and all that it has started. */
  endExec(name: string): void {
    this.#execs.get(name)?.interrupt()
  }

  /** Removes groups that are empty; the container's end removes the others. */
  #removeGroups(): void {
    for (const group of this.#leftGroups) if (group.remove()) this.#leftGroups.delete(group)
  }

  #lookForPid(): void {
    if (this.#pid !== undefined) return
    this.#pid = this.#bundle.readPid()
    if (this.#pid === undefined) return
    this.#watcher?.close()
    if (this.#killed) this.kill()
    this.#events.started(this.#pid, this.#notes)
  }

  /** @param stopExpecting - is called when the pid is known, or when there will be none */
  async #follow(
    child: ChildProcess,
    outputs: Record<LogStream, number>,
    stopExpecting: () => void,
  ): Promise<void> {
    const outputEnded = Promise.all([
      this.#logOutput(outputs.stdout, 'stdout'),
      this.#logOutput(outputs.stderr, 'stderr'),
    ])
    const outcome = await outcomeOf(child)
    this.#lookForPid()
    this.#watcher?.close()
    const ended = this.#pid === undefined ? undefined : this.#context.reaper.endOf(this.#pid)
    stopExpecting()
    if (ended === undefined || outcome instanceof Error || outcome.code !== 0) {
      // An OCI runtime that somebody killed leaves processes behind, and these hold the pipes.
      await this.#killUntil(outputEnded)
      if (outcome instanceof Error) return this.#fail(outcome)
      if (this.#pid === undefined || outcome.signal === null) return this.#fail(this.#toolFailure(outcome))
    }
    const [exit] = await Promise.all([ended?.then((child) => this.#markEnded(child)), outputEnded])
    const end = exit ?? { code: 137, signal: 'SIGKILL' }
    const refused = this.#refusal.end(end.code)
    this.#finish()
    this.#events.exited(this.#withOutOfMemory(refused === undefined ? end : { ...end, refused }))
    await this.#remove()
  }

  /** Adds whether the kernel killed a process of it for lack of memory: the cgroup still exists, and counts those. */
  #withOutOfMemory(exit: ContainerExit): ContainerExit {
    if (exit.code === 0) return exit
    try {
      return outOfMemoryKills(this.#cgroup) > 0 ? { ...exit, outOfMemory: true } : exit
    } catch (error) {
      this.#events.problem(`see whether ${this.#spec.id} had enough memory`, error)
      return exit
    }
  }

  /** From here on the kernel may give its pid to another process. */
  #markEnded(child: EndedChild): ContainerExit {
    this.#ended = true
    return exitOf(child)
  }

  /** Kills the processes of its cgroup again and again, since they may make more, until its output has ended. */
  async #killUntil(outputEnded: Promise<unknown>): Promise<void> {
    this.#gate.allow(Infinity)
    const kill = () => {
      for (const pid of processesIn(this.#cgroup)) sendSignal(pid, constants.signals.SIGKILL)
    }
    kill()
    const timer = setInterval(kill, killInterval)
    await outputEnded
    clearInterval(timer)
  }

  #logOutput(fd: number, stream: LogStream): Promise<void> {
    return readOutput(fd, {
      gate: this.#gate,
      take: (data) => this.#refusal.take(stream, data),
      failed: (error) => this.#events.problem(`read the ${stream} of ${this.#spec.id}`, error),
    }).ended
  }

  #toolFailure({ code, signal }: ToolOutcome): MoorageError {
    const log = this.#bundle.path('log')
    return (
      untriedCommand(readIfThere(log), this.#wanted(this.#spec.args)) ??
      toolFailure(this.#context.tool, { id: this.#spec.id, log, code, signal })
    )
  }

  #wanted([command = '']: readonly string[]) {
    const { image, workdir } = this.#spec
    return { command, image, workdir }
  }

  async #fail(error: unknown): Promise<void> {
    this.#ended = true
    this.#watcher?.close()
    this.#finish()
    // Reported only when everything is gone: the caller then removes the directories that it gave to the container.
    await this.#remove()
    const reason = error instanceof Error ? error.message : String(error)
    const { id } = this.#spec
    this.#events.failed(
      error instanceof MoorageError
        ? error
        : new MoorageError('RUNTIME_FAILED', { id, reason }, { cause: error }),
    )
  }

  /** Does what must precede the report of its end: then its output is whole and its upper is only a directory. */
  #finish(): void {
    this.#attempt('close the log', () => this.#log?.end())
    this.#attempt('unmount the root filesystem', () => this.#bundle.unmountRootfs())
    this.#attempt('unmount what was mounted in it', () => this.#bundle.unmountLayers())
  }

  /** Removes the rest, which nobody waits for. */
  async #remove(): Promise<void> {
    // Commands in it end with it, but still have to read how they ended.
    await Promise.all([...this.#execs.values()].map(({ over }) => over))
    try {
      await this.#bundle.remove()
      rmSync(join(this.#context.paths.state, this.#spec.id), { recursive: true, force: true })
      removeCgroup(this.#cgroup)
    } catch (error) {
      this.#events.problem(`clean up after ${this.#spec.id}`, error)
    }
    this.#removed.resolve()
  }

  #attempt(what: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#events.problem(`${what} of ${this.#spec.id}`, error)
    }
  }
}
