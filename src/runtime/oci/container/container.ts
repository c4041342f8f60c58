import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, type FSWatcher, mkdirSync, openSync, rmSync, watch, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { defaultPath } from '../../../definition/default-path.ts'
import { MoorageError } from '../../../errors/index.ts'
import type { EndedChild } from '../../../kernel/index.ts'
import { type LogStream, type LogWriter, openLogWriter } from '../../../logs/index.ts'
import type { ContainerSpec, ExecExit, ExecSpec, Exit } from '../../runtime.ts'
import { processesIn, removeCgroup } from '../cgroups/cgroups.ts'
import { type OciTool, toolArguments } from '../oci-tool.ts'
import { readOrNothing, sendSignal } from '../processes/processes.ts'
import type { Reaper } from '../processes/reaper.ts'
import { LayerMounts } from '../rootfs/layer-mounts.ts'
import { mountRootfs, type Rootfs, removeMountTarget } from '../rootfs/mount-rootfs.ts'
import { RootView } from '../rootfs/root-view.ts'
import { cgroupName, type RuntimePaths } from '../runtime-paths.ts'
import { checkCommand } from './check-command.ts'
import { type BundleContext, bundleConfig, type ReadyMount } from './config.ts'
import { Exec } from './exec.ts'
import { initMount } from './init.ts'
import { outputPipe, readOutput } from './output-pipe.ts'
import { memoryKills } from './ulimits.ts'
import { type ContainerUser, resolveUser } from './user.ts'

/** What the containers of a launcher share. */
export interface ContainerContext extends BundleContext {
  readonly paths: RuntimePaths
  readonly tool: OciTool
  readonly reaper: Reaper
}

const killAgainAfter = 10

/** What happens to a container, in this order: `failed` alone; or `started`, then `exited`. */
export interface ContainerEvents {
  started(pid: number, notes: string[]): void
  failed(error: unknown): void
  exited(exit: Exit): void
  /** Something that nobody waits for went wrong. */
  problem(what: string, error: unknown): void
}

/** One container, from its mounts to their removal; in the launcher's process. */
export class Container {
  /** Settles when nothing of it is left; never rejects. */
  readonly removed: Promise<void>
  readonly #context: ContainerContext
  readonly #given: ContainerSpec
  /** As it is run: with the mounts that what it asks for needs. */
  #spec: ContainerSpec
  readonly #events: ContainerEvents
  readonly #bundle: string
  readonly #removed = Promise.withResolvers<void>()
  readonly #execs = new Map<string, Exec>()
  #rootfs: Rootfs | undefined
  #user: ContainerUser | undefined
  /** Of its config.json. */
  #process: object | undefined
  #mounts: LayerMounts | undefined
  #ready: readonly ReadyMount[] = []
  #notes: string[] = []
  #log: LogWriter | undefined
  #watcher: FSWatcher | undefined
  #pid: number | undefined
  #killed = false
  #ended = false

  constructor(context: ContainerContext, spec: ContainerSpec, events: ContainerEvents) {
    this.#context = context
    this.#given = spec
    this.#spec = spec
    this.#events = events
    this.#bundle = join(context.paths.bundles, spec.id)
    this.removed = this.#removed.promise
  }

  /** Everything up to the OCI runtime's process is synchronous: a start is then a matter of a millisecond. */
  start(): void {
    try {
      const { tool, paths } = this.#context
      mkdirSync(this.#bundle, { mode: 0o700 })
      this.#prepare()
      const { logs, logLimit } = this.#spec
      this.#log = openLogWriter(logs, {
        ...(logLimit === undefined ? {} : { limit: logLimit }),
        onError: (error) => this.#events.problem(`write the log of ${this.#spec.id}`, error),
      })
      const pidFile = join(this.#bundle, 'pid')
      this.#watcher = watch(this.#bundle, () => this.#lookForPid())
      const known = this.#context.reaper.expect()
      try {
        const { child, outputs } = spawnWithPipes(
          tool.path,
          [
            ...toolArguments(tool, { state: paths.state, log: join(this.#bundle, 'log') }),
            ...['run', '--detach', '--bundle', this.#bundle, '--pid-file', pidFile, this.#spec.id],
          ],
          this.#openInput(),
        )
        void this.#follow(child, outputs, known)
      } catch (error) {
        known()
        throw error
      }
    } catch (error) {
      void this.#fail(error)
    }
  }

  /** Sends a signal to the container's first process, as long as it lives. */
  signal(name: string): void {
    if (this.#pid === undefined || this.#ended) return
    const number = constants.signals[name as NodeJS.Signals]
    if (number === undefined)
      this.#events.problem(`signal ${this.#spec.id}`, new Error(`${name} is no signal`))
    else sendSignal(this.#pid, number)
  }

  /** Ends it, as soon as it has a process to end. The kernel ends the others of its pid namespace with the first. */
  kill(): void {
    this.#killed = true
    this.signal('SIGKILL')
  }

  /**
   * Runs a command besides its own, as the same user, to its end.
   *
   * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, RUNTIME_FAILED
   */
  async exec(name: string, spec: ExecSpec): Promise<ExecExit> {
    const { paths, tool } = this.#context
    const { id } = this.#spec
    if (this.#pid === undefined || this.#ended || !this.#user) {
      throw new MoorageError('RUNTIME_FAILED', { id, reason: 'it does not run' })
    }
    using root = new RootView(join(this.#bundle, 'rootfs'), this.#ready)
    checkCommand(root, { ...this.#spec, args: spec.args }, this.#user)
    const exec = new Exec({
      tool,
      state: paths.state,
      bundle: this.#bundle,
      id,
      exec: name,
      spec,
      process: { ...this.#process, args: spec.args },
      onProblem: (error) => this.#events.problem(`write the log of a command in ${id}`, error),
    })
    this.#execs.set(name, exec)
    try {
      return await exec.run()
    } finally {
      this.#execs.delete(name)
    }
  }

  killExec(name: string): void {
    this.#execs.get(name)?.kill()
  }

  #prepare(): void {
    const target = join(this.#bundle, 'rootfs')
    mkdirSync(target)
    if (this.#given.resources?.init)
      this.#spec = { ...this.#given, mounts: [...this.#given.mounts, initMount()] }
    this.#mounts = new LayerMounts(join(this.#bundle, 'mounts'))
    const mounts = this.#mounts.ready(this.#spec.mounts)
    this.#ready = mounts
    const rootfs = mountRootfs(this.#spec, target, mounts)
    this.#rootfs = rootfs
    using root = new RootView(target, mounts)
    const user = resolveUser(root, this.#spec.user, this.#spec.image)
    checkCommand(root, this.#spec, user)
    const env = completeEnvironment(this.#spec.env, user)
    this.#user = user
    const resolved = { user, env, mounts, overlay: rootfs.overlay }
    const { config, notes } = bundleConfig(this.#context, this.#spec, resolved)
    this.#process = config.process
    this.#notes = notes
    writeFileSync(join(this.#bundle, 'config.json'), JSON.stringify(config), { flush: false })
  }

  /** A file, because what is given is here already: no pipe to be filled at the reader's pace. */
  #openInput(): number {
    if (this.#spec.stdin === undefined) return openSync('/dev/null', 'r')
    const path = join(this.#bundle, 'stdin')
    writeFileSync(path, this.#spec.stdin, { mode: 0o600 })
    return openSync(path, 'r')
  }

  /** The OCI runtime writes the file when the process exists, in one piece. */
  #lookForPid(): void {
    if (this.#pid !== undefined) return
    const text = readOrNothing(join(this.#bundle, 'pid'))
    if (text === '') return
    this.#pid = Number(text)
    this.#watcher?.close()
    if (this.#killed) this.kill()
    this.#events.started(this.#pid, this.#notes)
  }

  /** @param known - called when the pid is known, or there is none */
  async #follow(child: ChildProcess, outputs: Record<LogStream, number>, known: () => void): Promise<void> {
    const silence = Promise.all([this.#copy(outputs.stdout, 'stdout'), this.#copy(outputs.stderr, 'stderr')])
    const result = await exitOf(child)
    this.#lookForPid()
    this.#watcher?.close()
    const ended = this.#pid === undefined ? undefined : this.#context.reaper.endOf(this.#pid)
    known()
    if (ended === undefined || result instanceof Error || result.code !== 0) {
      // Killed by somebody else, the OCI runtime leaves behind what holds the pipes.
      await this.#killUntil(silence)
      if (result instanceof Error) return this.#fail(result)
      if (this.#pid === undefined || result.signal === null) return this.#fail(this.#refusal(result))
    }
    const [end] = await Promise.all([ended?.then((child) => this.#over(child)), silence])
    this.#close()
    this.#events.exited(this.#withReason(end ?? { code: 137, signal: 'SIGKILL' }))
    await this.#remove()
  }

  /** Its cgroup is still there, and knows. */
  #withReason(exit: Exit): Exit {
    if (exit.code === 0) return exit
    try {
      return memoryKills(this.#cgroup) > 0 ? { ...exit, outOfMemory: true } : exit
    } catch (error) {
      this.#events.problem(`see whether ${this.#spec.id} had enough memory`, error)
      return exit
    }
  }

  /** From here on its pid may be another's. */
  #over(child: EndedChild): Exit {
    this.#ended = true
    return exitFrom(child)
  }

  /** Kills what is in its cgroup, over and over: what is there may be making more. */
  async #killUntil(silence: Promise<unknown>): Promise<void> {
    const kill = () => {
      for (const pid of processesIn(this.#cgroup)) sendSignal(pid, constants.signals.SIGKILL)
    }
    kill()
    const again = setInterval(kill, killAgainAfter)
    await silence
    clearInterval(again)
  }

  #copy(fd: number, stream: LogStream): Promise<void> {
    return readOutput(fd, {
      take: (data) => this.#log?.append(stream, data, Date.now()),
      failed: (error) => this.#events.problem(`read the ${stream} of ${this.#spec.id}`, error),
    })
  }

  #refusal({ code, signal }: Result): MoorageError {
    const words = readOrNothing(join(this.#bundle, 'log')).trim()
    // crun puts a time before each line.
    const reason =
      words.replace(/^\S+Z:\s*/gm, '') ||
      `${this.#context.tool.version} ${signal === null ? `exited with code ${code}` : `was ended by ${signal}`}`
    return new MoorageError('RUNTIME_FAILED', { id: this.#spec.id, reason })
  }

  get #cgroup(): string {
    return join(cgroupName(this.#context.instance), this.#spec.id)
  }

  async #fail(error: unknown): Promise<void> {
    this.#ended = true
    this.#watcher?.close()
    this.#close()
    // Only when everything is gone: whoever hears of it removes the directories that it was given.
    await this.#remove()
    const known = error instanceof MoorageError
    const reason = error instanceof Error ? error.message : String(error)
    const { id } = this.#spec
    this.#events.failed(known ? error : new MoorageError('RUNTIME_FAILED', { id, reason }, { cause: error }))
  }

  /** What must be done before its end is told: then its output is whole and its upper directory is only a directory. */
  #close(): void {
    this.#attempt('close the log', () => this.#log?.end())
    this.#attempt('unmount the root filesystem', () => this.#rootfs?.unmount())
    this.#attempt('unmount what was mounted in it', () => this.#mounts?.unmount())
  }

  /** The rest, which nobody waits for. */
  async #remove(): Promise<void> {
    // Ended with their container, they still have to see how.
    await Promise.all([...this.#execs.values()].map(({ over }) => over))
    try {
      // Not recursive: were it still mounted, that would empty the upper directory.
      removeMountTarget(join(this.#bundle, 'rootfs'))
      this.#mounts?.remove()
      rmSync(this.#bundle, { recursive: true, force: true })
      await this.#rootfs?.remove()
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

function spawnWithPipes(path: string, args: string[], input: number) {
  const stdout = outputPipe()
  const stderr = outputPipe()
  try {
    const child = spawn(path, args, {
      stdio: [input, stdout.write, stderr.write],
      cwd: '/',
      env: { PATH: defaultPath },
    })
    return { child, outputs: { stdout: stdout.read, stderr: stderr.read } }
  } finally {
    for (const fd of [input, stdout.write, stderr.write]) closeSync(fd)
  }
}

interface Result {
  code: number | null
  signal: NodeJS.Signals | null
}

function exitOf(child: ChildProcess): Promise<Result | Error> {
  return new Promise((resolve) => {
    child.on('error', resolve)
    child.on('exit', (code, signal) => resolve({ code, signal }))
  })
}

/** CLD_EXITED of waitid(2); the other codes tell of a signal. */
const exitedByItself = 1

function exitFrom({ code, status }: EndedChild): Exit {
  if (code === exitedByItself) return { code: status, signal: null }
  const signals = Object.entries(constants.signals)
  const [name = null] = signals.find(([, number]) => number === status) ?? []
  return { code: 128 + status, signal: name }
}

function completeEnvironment(env: readonly string[], user: ContainerUser): string[] {
  const has = (name: string) => env.some((entry) => entry.startsWith(`${name}=`))
  return [
    ...env,
    ...(has('PATH') ? [] : [`PATH=${defaultPath}`]),
    ...(has('HOME') ? [] : [`HOME=${user.home}`]),
  ]
}
