import type { Output, Protocol, ResultEvent, Sharing } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { Directory } from '../files/directory.ts'
import { File } from '../files/file.ts'
import type { CacheVolume } from '../graph/cache-volume.ts'
import { checkArguments, checkProcess, checkVariable } from '../graph/check-arguments.ts'
import { type DescribedMount, type ExecFields, ExecNode, type ExecOptions } from '../graph/exec-node.ts'
import { copied, type NewFileOptions, type PutOptions, removed, written } from '../graph/file-changes.ts'
import { partNode } from '../graph/file-nodes.ts'
import { imageNode, rootfsNode } from '../graph/filesystem-nodes.ts'
import type { Node } from '../graph/graph.ts'
import { checkPath, containerPath } from '../graph/path.ts'
import { type EndpointOptions, Service } from '../service/service.ts'
import { evaluate } from '../session/evaluate.ts'
import type { CallContext, Session } from '../session/session.ts'
import { checkAlias, checkHostname, checkVariableName, stopSignalOf } from './check-names.ts'
import { type Check, healthCheckOf } from './health-checks.ts'
import { cacheMount, partMount, tempMount, withMount } from './mounts.ts'
import { sourceOf } from './path-source.ts'
import { type ExposedPortOptions, withoutPort, withPort } from './ports.ts'
import { mergeResources, type ResourceOptions, resourcesOf } from './resources.ts'
import { type ServiceSettings, serviceOptionsOf } from './service-settings.ts'
import { type ContainerState, emptyContainer } from './state.ts'
import { withBinding } from './with-binding.ts'

/**
 * A description of a container, by value: each `with…` returns another description, and nothing runs until an
 * asynchronous method is called. The last `withExec` is the process that a service runs, or that `stdout()` reports on;
 * those before it are steps that have ended.
 */
export class Container {
  readonly #session: Session
  readonly #state: ContainerState

  constructor(session: Session, state: Partial<ContainerState> = {}) {
    this.#session = session
    this.#state = { ...emptyContainer, ...state }
  }

  #with(changes: Partial<ContainerState>): Container {
    return new Container(this.#session, { ...this.#state, ...changes })
  }

  #withProcess(changes: ExecFields): Container {
    return this.#with({ process: { ...this.#state.process, ...changes } })
  }

  /**
   * Starts from an image: `docker.io/library/redis:7`, or `mmdebstrap:bookworm?packages=redis-server`.
   *
   * @param options.pull - `always` asks the registry again which image a tag means
   */
  from(ref: string, options: { pull?: 'always' } = {}): Container {
    const filesystem = imageNode(ref, { pull: options.pull, platform: this.#state.platform })
    return this.#with({ filesystem, lastExec: undefined })
  }

  /** Starts from a directory: `moorage.host.directory('/path')`. */
  withRootfs(directory: Directory): Container {
    return this.#with({ filesystem: rootfsNode(directory.node), lastExec: undefined })
  }

  /** Runs a command, with the environment, user, mounts and bindings that were described before it. */
  withExec(args: readonly string[], options: ExecOptions = {}): Container {
    const exec = this.#exec({ args: [...args], ...options })
    return this.#with({ filesystem: exec, lastExec: exec })
  }

  #exec(fields: ExecFields): ExecNode {
    const { filesystem, process, mounts, bindings } = this.#state
    checkProcess({ ...process, ...fields })
    return new ExecNode(filesystem, { ...process, ...fields }, mounts, bindings)
  }

  /** Replaces the image's entrypoint. */
  withEntrypoint(args: readonly string[]): Container {
    checkArguments('the entrypoint', args)
    return this.#withProcess({ entrypoint: [...args] })
  }

  /** Replaces the image's command. */
  withDefaultArgs(args: readonly string[]): Container {
    checkArguments('the default arguments', args)
    return this.#withProcess({ defaultArgs: [...args] })
  }

  /** Sets a variable. @throws MoorageError INVALID_OPTION: above 131,072 bytes, for example */
  withEnvVariable(name: string, value: string): Container {
    return this.#withEnv(name, value)
  }

  withoutEnvVariable(name: string): Container {
    return this.#withEnv(name, null)
  }

  #withEnv(name: string, value: string | null): Container {
    checkVariableName(name)
    if (value !== null) checkVariable(name, value)
    return this.#withProcess({ env: [...(this.#state.process.env ?? []), [name, value]] })
  }

  /** Sets the working directory: an absolute path, created if it is missing. @throws MoorageError INVALID_OPTION */
  withWorkdir(path: string): Container {
    checkPath('working directory', path)
    return this.#withProcess({ workdir: path })
  }

  /** Sets the user: a number or a name of the image's /etc/passwd, with or without `:group`. */
  withUser(user: string): Container {
    return this.#withProcess({ user })
  }

  /**
   * Adds a name in the network, one label, to the name that is derived from the definition. It holds for the `withExec`
   * that comes after it, since the process sees it.
   *
   * @throws MoorageError INVALID_OPTION
   */
  withHostname(name: string): Container {
    checkHostname(name)
    return this.#withProcess({ hostname: name })
  }

  /**
   * Declares a port of the container as a service. Clients wait until a TCP port accepts a connection, or a UDP port is
   * bound; with `check`, until the port answers by HTTP, or not at all (`none`).
   *
   * @throws MoorageError INVALID_OPTION
   */
  withExposedPort(port: number, options: ExposedPortOptions = {}): Container {
    return this.#with({ ports: withPort(this.#state.ports, port, options) })
  }

  withoutExposedPort(port: number, options: { protocol?: Protocol } = {}): Container {
    const { protocol = 'tcp' } = options
    return this.#with({ ports: withoutPort(this.#state.ports, port, protocol) })
  }

  /**
   * Adds a condition that must hold before clients of this container as a service run. `none` removes all that were
   * added before, and waits neither for ports nor for the image's own HEALTHCHECK.
   *
   * @example
   * .withHealthcheck({ exec: ['pg_isready'] })
   * .withHealthcheck({ http: { path: '/health', port: 8080 }, timeout: '2s' })
   * .withHealthcheck({ log: /ready to accept connections/ })
   * @throws MoorageError INVALID_OPTION
   */
  withHealthcheck(check: Check): Container {
    if (check === 'none') return this.#with({ healthcheck: check, checks: [] })
    return this.#with({ checks: [...this.#state.checks, healthCheckOf(check)] })
  }

  /**
   * Sets limits and privileges for the `withExec` that comes after it. They are added to those of earlier calls, and a
   * later call wins: field by field, ulimit by ulimit and capability by capability. A later `drop: ['ALL']` takes back
   * every capability that an earlier call added.
   *
   * @throws MoorageError INVALID_OPTION
   */
  withResources(resources: ResourceOptions): Container {
    const { resources: earlier = {} } = this.#state.process
    return this.#withProcess({ resources: mergeResources(earlier, resourcesOf(resources)) })
  }

  /**
   * Sets the signal that stops the container as a service.
   *
   * @param signal - any of signal(7), as an image's STOPSIGNAL may say it: `SIGINT`, `QUIT`, `SIGRTMIN+3`, `2`
   * @throws MoorageError INVALID_OPTION
   */
  withStopSignal(signal: string): Container {
    return this.#with({ stopSignal: stopSignalOf(signal) })
  }

  /**
   * Makes a service reachable under an alias, for this container alone: by DNS, and in its /etc/hosts.
   *
   * @param alias - any host name, real ones included
   * @throws MoorageError INVALID_ALIAS, ALIAS_TWICE
   */
  withServiceBinding(alias: string, service: Container | Service): Container {
    checkAlias(alias)
    const { vertex: exec, options } = service instanceof Container ? service.asService() : service
    return this.#with({ bindings: withBinding(this.#state.bindings, { alias, exec, options }) })
  }

  /**
   * Mounts a directory that outlives runs.
   *
   * @param options.sharing - `shared`: all containers see one directory; `private`: containers that run at the same time
   *   each have one of their own, which later ones use again; `locked`: one container runs at a time, a service for as
   *   long as it lives
   * @throws MoorageError INVALID_OPTION
   */
  withMountedCache(path: string, volume: CacheVolume, options: { sharing?: Sharing } = {}): Container {
    return this.#withMount(cacheMount(path, volume, options.sharing))
  }

  /**
   * Mounts a directory. A command may change it for itself alone: the next command sees the directory unchanged, and the
   * changes are in no output.
   *
   * @throws MoorageError INVALID_OPTION
   */
  withMountedDirectory(path: string, directory: Directory): Container {
    return this.#withMount(partMount('directory', path, directory.node))
  }

  /** Mounts a file, like a directory. @throws MoorageError INVALID_OPTION */
  withMountedFile(path: string, file: File): Container {
    return this.#withMount(partMount('file', path, file.node))
  }

  /**
   * Mounts an empty directory in memory, a new one for each command.
   *
   * @param options.size - its capacity in bytes; half of the memory by default
   * @param options.owner - `uid` or `uid:gid`; by default that of the directory below, else root
   * @param options.mode - by default that of the directory below, else 0o1777
   * @throws MoorageError INVALID_OPTION
   */
  withMountedTemp(path: string, options: { size?: number; owner?: string; mode?: number } = {}): Container {
    return this.#withMount(tempMount(path, options))
  }

  #withMount(mount: DescribedMount): Container {
    return this.#with({ mounts: withMount(this.#state.mounts, mount) })
  }

  /** A directory of the container, as its commands left it. @param path - absolute @throws MoorageError INVALID_OPTION */
  directory(path: string): Directory {
    const { source, path: inner } = sourceOf(this.#state, 'directory', path)
    return new Directory(this.#session, partNode('directory', source, inner))
  }

  /** A regular file of the container, as its commands left it. @param path - absolute @throws MoorageError INVALID_OPTION */
  file(path: string): File {
    const { mounts } = this.#state
    const mount = mounts.find(({ type, path: at }) => type === 'file' && at === containerPath('file', path))
    if (mount?.type === 'file') return new File(this.#session, mount.source)
    const { source, path: inner } = sourceOf(this.#state, 'file', path)
    return new File(this.#session, partNode('file', source, inner))
  }

  /** Puts a file at `path`; missing directories above it are created. @throws MoorageError INVALID_OPTION */
  withFile(path: string, file: File, options: PutOptions & { permissions?: number } = {}): Container {
    return this.#change('file', path, (input, inner) => copied(input, file.node, inner, options))
  }

  /** Puts the content of a directory into the one at `path`, which is created if missing. @throws MoorageError INVALID_OPTION */
  withDirectory(path: string, directory: Directory, options: PutOptions = {}): Container {
    return this.#change('directory', path, (input, inner) => copied(input, directory.node, inner, options))
  }

  /** Writes a file; by default it belongs to root and everybody may read it. @throws MoorageError INVALID_OPTION */
  withNewFile(path: string, contents: string | Uint8Array, options: NewFileOptions = {}): Container {
    return this.#change('file', path, (input, inner) => written(input, inner, contents, options))
  }

  /** Removes a file or a link, if there is one. @throws MoorageError INVALID_OPTION */
  withoutFile(path: string): Container {
    return this.#change('file', path, (input, inner) => removed(input, inner))
  }

  /** Removes a directory and its content, if there is one. @throws MoorageError INVALID_OPTION */
  withoutDirectory(path: string): Container {
    return this.#change('directory', path, (input, inner) => removed(input, inner, { recursive: true }))
  }

  /** Changes the source of a path: the filesystem, or the directory that is mounted there. */
  #change(what: string, path: string, change: (input: Node, path: string) => Node): Container {
    const { source, path: inner, mount } = sourceOf(this.#state, what, path)
    const changed = change(source, inner)
    return mount ? this.#withMount({ ...mount, source: changed }) : this.#with({ filesystem: changed })
  }

  /**
   * This container as a service. It runs the last exec on that exec's input filesystem; with `args`, those on the
   * container as it is now; without any exec, the image's own entrypoint and command.
   */
  asService(settings: ServiceSettings = {}): Service {
    const { args, useEntrypoint, instance } = settings
    const base =
      args === undefined ? this.vertex : this.#exec(withoutUndefined({ args: [...args], useEntrypoint }))
    const exec = instance === undefined ? base : base.withFields({ instance })
    return new Service(this.#session, exec, serviceOptionsOf(this.#state, settings))
  }

  /** The exec that a run of this container executes: the last one, or the image's own command. */
  get vertex(): ExecNode {
    return this.#state.lastExec ?? this.#exec({})
  }

  #evaluate(output: Output, context: CallContext = {}): Promise<ResultEvent> {
    return evaluate(this.#session, this.vertex, { output }, context)
  }

  /** The standard output of the last exec, which runs unless its result is stored. @throws MoorageError, ExecError */
  async stdout(context?: CallContext): Promise<string> {
    return String((await this.#evaluate('stdout', context)).value)
  }

  /** The standard error of the last exec. */
  async stderr(context?: CallContext): Promise<string> {
    return String((await this.#evaluate('stderr', context)).value)
  }

  /** The exit code of the last exec; its `expect` says which codes are no error. */
  async exitCode(context?: CallContext): Promise<number> {
    return (await this.#evaluate('exitCode', context)).exitCode
  }

  /** Runs the last exec, unless its result is stored. */
  async sync(context?: CallContext): Promise<this> {
    await this.#evaluate('sync', context)
    return this
  }

  /** The digest of the last exec; starts nothing. */
  digest(context?: CallContext): Promise<string> {
    return this.asService().digest(context)
  }

  /** The hostname of this container as a service; starts nothing. */
  hostname(context?: CallContext): Promise<string> {
    return this.asService().hostname(context)
  }

  /** The address of this container as a service, `name:port` or with `scheme` a URL; starts nothing. @throws MoorageError NO_PORT */
  endpoint(options?: EndpointOptions): Promise<string> {
    return this.asService().endpoint(options)
  }

  withMountedSecret(..._: unknown[]): never {
    throw new MoorageError('NOT_YET', { what: 'withMountedSecret (F28)' })
  }

  withSecretVariable(..._: unknown[]): never {
    throw new MoorageError('NOT_YET', { what: 'withSecretVariable (F28)' })
  }
}
