import { errorFromWire, MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type {
  ContainerExit,
  ContainerSpec,
  ExecExit,
  ExecSpec,
  InputStream,
  OutputPace,
  RunningContainer,
  Runtime,
  StartOptions,
} from '../runtime.ts'
import { InputPipe } from './input-pipe.ts'
import { LauncherProcess } from './launcher/launcher-handle.ts'
import type { FromLauncher } from './launcher/messages.ts'
import { recoverContainers } from './recover-containers.ts'

export interface OciRuntimeOptions {
  /** The daemon's instance ID, which names its cgroups. */
  instance: string
  /** Files that are needed only while containers live go into its `oci/`; best on a tmpfs. */
  runDirectory: string
  /** Told of failures that nobody waits for. */
  logger?: { warn(fields: Record<string, unknown>, message: string): void }
  /** `crun`, `runc`, or the path of one. @defaultValue crun where it works, else runc */
  ociRuntime?: string
}

/**
 * Creates a runtime that runs containers with crun or runc, by way of a launcher process.
 *
 * @throws MoorageError RUNTIME_MISSING
 */
export async function createOciRuntime(options: OciRuntimeOptions): Promise<Runtime> {
  const runtime = new OciRuntime(options)
  await runtime.open()
  return runtime
}

/** A container, from the request to start it to its end. */
interface Order {
  readonly started: PromiseWithResolvers<{ pid: number; notes: readonly string[] }>
  readonly exited: PromiseWithResolvers<ContainerExit>
  readonly pace: OutputPace | undefined
}

/** A command in a container, from the request to run it to its end. */
interface ExecOrder {
  readonly ended: PromiseWithResolvers<ExecExit>
  readonly pace: OutputPace | undefined
}

class OciRuntime implements Runtime {
  readonly name = 'oci'
  readonly #options: OciRuntimeOptions
  readonly #orders = new Map<string, Order>()
  readonly #execs = new Map<string, ExecOrder>()
  /** Inputs whose pipe the launcher has not opened yet, by its path. */
  readonly #inputs = new Map<string, InputPipe>()
  #execCounter = 0
  #launcher: Promise<LauncherProcess> | undefined
  #closed: Promise<void> | undefined
  #cleaning: Promise<void> = Promise.resolve()

  constructor(options: OciRuntimeOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    await this.#currentLauncher()
  }

  async start(spec: ContainerSpec, { signal, pace, input }: StartOptions = {}): Promise<RunningContainer> {
    signal?.throwIfAborted()
    const { id } = spec
    if (!/^[A-Za-z0-9-]{1,128}$/.test(id))
      throw new MoorageError('RUNTIME_FAILED', { id, reason: 'not a usable id' })
    if (this.#orders.has(id))
      throw new MoorageError('RUNTIME_FAILED', { id, reason: 'one with this id is running' })
    const order: Order = { started: Promise.withResolvers(), exited: Promise.withResolvers(), pace }
    this.#orders.set(id, order)
    let launcher: LauncherProcess
    try {
      launcher = await this.#currentLauncher()
    } catch (error) {
      this.#orders.delete(id)
      throw error
    }
    const pipe = input && this.#openInput(input)
    // The launcher may have died meanwhile, and this order with it.
    if (this.#orders.get(id) === order)
      launcher.send({
        type: 'start',
        spec: { ...spec, ...withoutUndefined({ stdinPipe: pipe?.path }) },
        ...withoutUndefined({ upTo: pace?.first }),
      })
    pace?.connect((upTo) => {
      if (this.#orders.get(id) === order) launcher.send({ type: 'allow', id, upTo })
    })
    const cancel = () => launcher.send({ type: 'kill', id })
    signal?.addEventListener('abort', cancel, { once: true })
    if (signal?.aborted) cancel()
    try {
      const { pid, notes } = await order.started.promise.catch((error) => {
        this.#closeInput(pipe)
        throw error
      })
      void order.exited.promise.then(() => this.#closeInput(pipe))
      if (signal?.aborted) await order.exited.promise
      signal?.throwIfAborted()
      return {
        id,
        pid,
        notes,
        exited: order.exited.promise,
        signal: async (name) => {
          if (this.#orders.get(id) === order) launcher.send({ type: 'signal', id, name })
        },
        exec: (spec, options = {}) => this.#exec(launcher, id, spec, options),
      }
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  async #exec(
    launcher: LauncherProcess,
    id: string,
    spec: ExecSpec,
    { signal, pace, input }: StartOptions,
  ): Promise<ExecExit> {
    signal?.throwIfAborted()
    if (!this.#orders.has(id)) throw new MoorageError('RUNTIME_FAILED', { id, reason: 'it has ended' })
    this.#execCounter += 1
    const exec = String(this.#execCounter)
    const ended = Promise.withResolvers<ExecExit>()
    this.#execs.set(exec, { ended, pace })
    const cancel = () => launcher.send({ type: 'endExec', id, exec })
    signal?.addEventListener('abort', cancel, { once: true })
    const pipe = input && this.#openInput(input)
    launcher.send({
      type: 'exec',
      id,
      exec,
      spec: { ...spec, ...withoutUndefined({ stdinPipe: pipe?.path }) },
      ...withoutUndefined({ upTo: pace?.first }),
    })
    pace?.connect((upTo) => {
      if (this.#execs.has(exec)) launcher.send({ type: 'allow', id, exec, upTo })
    })
    try {
      return await ended.promise
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      this.#execs.delete(exec)
      this.#closeInput(pipe)
      signal?.removeEventListener('abort', cancel)
    }
  }

  #openInput(input: InputStream): InputPipe {
    const pipe = new InputPipe(input)
    this.#inputs.set(pipe.path, pipe)
    return pipe
  }

  #closeInput(pipe: InputPipe | undefined): void {
    if (pipe === undefined) return
    if (this.#inputs.get(pipe.path) === pipe) this.#inputs.delete(pipe.path)
    pipe.close()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const launcher = await this.#launcher?.catch(() => undefined)
    await launcher?.close()
    await this.#cleaning
  }

  /** Returns the launcher; a new one if the last was killed. */
  #currentLauncher(): Promise<LauncherProcess> {
    if (this.#closed !== undefined) {
      return Promise.reject(
        new MoorageError('RUNTIME_FAILED', { id: 'launcher', reason: 'the runtime is closed' }),
      )
    }
    this.#launcher ??= this.#startLauncher()
    return this.#launcher
  }

  async #startLauncher(): Promise<LauncherProcess> {
    await this.#cleaning
    const { instance, runDirectory, ociRuntime } = this.#options
    return LauncherProcess.start({
      instance,
      runDirectory,
      ...withoutUndefined({ ociRuntime }),
      onMessage: (message) => this.#receive(message),
      onExit: (code, stderr) => {
        this.#launcher = undefined
        if (code !== 0) this.#cleaning = this.#cleanUp(stderr || 'killed')
      },
    })
  }

  #receive(message: FromLauncher): void {
    if (message.type === 'problem') {
      this.#options.logger?.warn(
        { what: message.what, reason: message.reason },
        'the launcher reports a problem',
      )
      return
    }
    if (message.type === 'ready' || message.type === 'unusable') return
    if (message.type === 'inputOpened') {
      this.#inputs.get(message.path)?.opened()
      this.#inputs.delete(message.path)
      return
    }
    if (message.type === 'execEnded' || message.type === 'execFailed') {
      const ended = this.#execs.get(message.exec)?.ended
      if (message.type === 'execFailed') ended?.reject(errorFromWire(message.error))
      else ended?.resolve({ code: message.code, signal: message.signal, output: message.output })
      return
    }
    const order = this.#orders.get(message.id)
    if (message.type === 'held' || message.type === 'logFailed') {
      const { pace } = (message.exec === undefined ? order : this.#execs.get(message.exec)) ?? {}
      if (message.type === 'held') pace?.held()
      else pace?.failed(message.code, message.reason)
      return
    }
    if (message.type === 'started') {
      order?.started.resolve(message)
      return
    }
    this.#orders.delete(message.id)
    if (message.type === 'failed') order?.started.reject(errorFromWire(message.error))
    else {
      const { code, signal, outOfMemory } = message
      order?.exited.resolve({ code, signal, ...(outOfMemory ? { outOfMemory } : {}) })
    }
  }

  /** Ends the containers of a launcher that has died, after which nobody looks after them, and the calls that wait for it. */
  async #cleanUp(reason: string): Promise<void> {
    const orphans = [...this.#orders]
    this.#orders.clear()
    for (const { ended } of this.#execs.values()) {
      ended.reject(new MoorageError('RUNTIME_FAILED', { id: 'launcher', reason }))
    }
    try {
      const { killed } = await recoverContainers(this.#options)
      this.#options.logger?.warn({ killed, reason }, 'the launcher has ended unasked')
    } catch (error) {
      this.#options.logger?.warn({ error: String(error) }, 'cannot remove what the launcher left')
    }
    for (const [id, { started, exited }] of orphans) {
      started.reject(new MoorageError('RUNTIME_FAILED', { id, reason: `the launcher has ended: ${reason}` }))
      started.promise.catch(() => undefined)
      exited.resolve({ code: 137, signal: 'SIGKILL' })
    }
  }
}
