import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  type FSWatcher,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { makePipe } from '../../../netns/kernel/index.ts'
import { MoorageError } from '../../errors.ts'
import { type LogStream, type LogWriter, openLogWriter } from '../../logs/index.ts'
import type { ContainerSpec, ExecExit, ExecSpec, Exit } from '../runtime.ts'
import { type BundleContext, bundleConfig } from './bundle.ts'
import { processesIn, removeCgroup } from './cgroups.ts'
import { checkCommand } from './command.ts'
import { defaultPath } from './container-defaults.ts'
import { Exec } from './exec.ts'
import { type OciTool, toolArguments } from './oci-tool.ts'
import { cgroupName, type RuntimePaths } from './paths.ts'
import { RootView } from './root-view.ts'
import { mountRootfs, type Rootfs, removeMountTarget } from './rootfs.ts'
import { type ContainerUser, resolveUser } from './user.ts'

/** What the containers of a launcher share. */
export interface ContainerContext extends BundleContext {
  readonly paths: RuntimePaths
  readonly tool: OciTool
}

/** What happens to a container, in this order: `failed` alone; or `started`, then `exited`. */
export interface ContainerEvents {
  started(pid: number): void
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
  readonly #spec: ContainerSpec
  readonly #events: ContainerEvents
  readonly #bundle: string
  readonly #removed = Promise.withResolvers<void>()
  readonly #execs = new Map<string, Exec>()
  #rootfs: Rootfs | undefined
  #user: ContainerUser | undefined
  /** Of its config.json. */
  #process: object | undefined
  #log: LogWriter | undefined
  #watcher: FSWatcher | undefined
  #pid: number | undefined
  #killed = false
  #ended = false

  constructor(context: ContainerContext, spec: ContainerSpec, events: ContainerEvents) {
    this.#context = context
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
      this.#log = openLogWriter(this.#spec.logs, {
        onError: (error) => this.#events.problem(`write the log of ${this.#spec.id}`, error),
      })
      const pidFile = join(this.#bundle, 'pid')
      this.#watcher = watch(this.#bundle, () => this.#lookForPid())
      const { child, outputs } = spawnWithPipes(
        tool.path,
        [
          ...toolArguments(tool, { state: paths.state, log: join(this.#bundle, 'log') }),
          ...['run', '--bundle', this.#bundle, '--pid-file', pidFile, this.#spec.id],
        ],
        this.#openInput(),
      )
      void this.#follow(child, outputs)
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
    using root = new RootView(join(this.#bundle, 'rootfs'), this.#spec.mounts)
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
    const rootfs = mountRootfs(this.#spec, target)
    this.#rootfs = rootfs
    using root = new RootView(target, this.#spec.mounts)
    const user = resolveUser(root, this.#spec.user, this.#spec.image)
    checkCommand(root, this.#spec, user)
    const env = completeEnvironment(this.#spec.env, user)
    this.#user = user
    const config = bundleConfig(this.#context, this.#spec, { user, env, overlay: rootfs.overlay })
    this.#process = config.process
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
    this.#events.started(this.#pid)
  }

  async #follow(child: ChildProcess, outputs: Record<LogStream, number>): Promise<void> {
    const exit = exitOf(child).then((result) => {
      this.#lookForPid()
      this.#ended = true
      // Killed by somebody else, the OCI runtime leaves its container behind, holding the pipes.
      if (result instanceof Error || result.signal !== null) this.#killLeftBehind()
      return result
    })
    const [result] = await Promise.all([
      exit,
      this.#copy(outputs.stdout, 'stdout'),
      this.#copy(outputs.stderr, 'stderr'),
    ])
    this.#watcher?.close()
    if (result instanceof Error) return this.#fail(result)
    if (this.#pid === undefined) return this.#fail(this.#refusal(result.code))
    this.#close()
    this.#events.exited(
      result.signal === null ? exitFrom(result.code ?? 0) : { code: 137, signal: 'SIGKILL' },
    )
    await this.#remove()
  }

  #copy(fd: number, stream: LogStream): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const socket = new Socket({ fd, readable: true, writable: false })
    socket.on('data', (chunk) => this.#log?.append(stream, chunk, Date.now()))
    socket.on('error', (error) => this.#events.problem(`read the ${stream} of ${this.#spec.id}`, error))
    socket.on('close', () => resolve())
    return promise
  }

  #refusal(code: number | null): MoorageError {
    const words = readOrNothing(join(this.#bundle, 'log')).trim()
    // crun puts a time before each line.
    const reason =
      words.replace(/^\S+Z:\s*/gm, '') || `${this.#context.tool.version} exited with code ${code}`
    return new MoorageError('RUNTIME_FAILED', { id: this.#spec.id, reason })
  }

  #killLeftBehind(): void {
    for (const pid of processesIn(this.#cgroup)) sendSignal(pid, constants.signals.SIGKILL)
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
  }

  /** The rest, which nobody waits for. */
  async #remove(): Promise<void> {
    try {
      // Not recursive: were it still mounted, that would empty the upper directory.
      removeMountTarget(join(this.#bundle, 'rootfs'))
      rmSync(this.#bundle, { recursive: true, force: true })
      await this.#rootfs?.remove()
      // Normally the OCI runtime has done this.
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

/** Real pipes: Node's own are sockets, and those cannot be opened by way of /dev/stdout. */
function spawnWithPipes(path: string, args: string[], input: number) {
  const stdout = makePipe()
  const stderr = makePipe()
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

function exitOf(
  child: ChildProcess,
): Promise<{ code: number | null; signal: NodeJS.Signals | null } | Error> {
  return new Promise((resolve) => {
    child.on('error', resolve)
    child.on('exit', (code, signal) => resolve({ code, signal }))
  })
}

/** Both OCI runtimes exit with 128+n when signal n ended the process; they say no more. */
function exitFrom(code: number): Exit {
  const signals = Object.entries(constants.signals)
  const [name = null] = signals.find(([, number]) => number === code - 128) ?? []
  return { code, signal: name }
}

function completeEnvironment(env: readonly string[], user: ContainerUser): string[] {
  const has = (name: string) => env.some((entry) => entry.startsWith(`${name}=`))
  return [
    ...env,
    ...(has('PATH') ? [] : [`PATH=${defaultPath}`]),
    ...(has('HOME') ? [] : [`HOME=${user.home}`]),
  ]
}

function sendSignal(pid: number, number: number): void {
  try {
    process.kill(pid, number)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
