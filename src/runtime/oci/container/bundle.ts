import { mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ContainerMount, ContainerSpec } from '../../runtime.ts'
import { checkCommand, type Executor } from '../command/check-command.ts'
import { readIfThere } from '../read-if-there.ts'
import { LayerMounts } from '../rootfs/layer-mounts.ts'
import { mountRootfs, type Rootfs, removeMountTarget } from '../rootfs/mount-rootfs.ts'
import { viewedDefaults } from '../rootfs/place-mounts.ts'
import { RootView } from '../rootfs/root-view.ts'
import { capabilitiesOf } from './capabilities.ts'
import { type ConfigContext, containerConfig, effectiveCapabilities } from './config.ts'
import { completeEnvironment } from './environment.ts'
import { initMount } from './init.ts'
import { openInputPipe } from './spawn-with-pipes.ts'
import { type ContainerUser, resolveUser } from './user.ts'

/** A container's bundle (OCI runtime specification): a directory with its config.json and its mounted root filesystem. */
export class Bundle {
  readonly directory: string
  readonly #spec: ContainerSpec
  readonly #target: string
  readonly #layers: LayerMounts
  #rootfs: Rootfs | undefined
  #user: ContainerUser | undefined
  #process: object | undefined

  constructor(directory: string, spec: ContainerSpec) {
    this.directory = directory
    this.#spec = spec
    this.#target = join(directory, 'rootfs')
    this.#layers = new LayerMounts(join(directory, 'mounts'))
  }

  /**
   * Makes the directory, mounts the filesystems and writes config.json; returns notes about requests that cannot be met.
   *
   * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, USER_NOT_FOUND, RUNTIME_MISSING
   */
  prepare(context: ConfigContext): string[] {
    const spec = this.#spec
    mkdirSync(this.directory, { mode: 0o700 })
    mkdirSync(this.#target)
    const requested = [
      ...this.#hostnameMount(),
      ...spec.mounts,
      ...(spec.resources?.init ? [initMount()] : []),
    ]
    const rootfs = mountRootfs(spec, this.#target, this.#layers.mount(requested))
    this.#rootfs = rootfs
    const { mounts } = rootfs
    using root = new RootView(this.#target, [...viewedDefaults(), ...mounts])
    const user = resolveUser(root, spec.user, spec.image)
    this.#user = user
    checkCommand(root, spec, executorOf(user, spec))
    const env = completeEnvironment(spec.env, user, spec.hostname)
    const { config, notes } = containerConfig(context, spec, { user, env, mounts, overlay: rootfs.overlay })
    this.#process = config.process
    writeFileSync(this.path('config.json'), JSON.stringify(config), { flush: false })
    return notes
  }

  /** /etc/hostname, unless something else is mounted there: with images of a registry it is that of another machine. */
  #hostnameMount(): ContainerMount[] {
    const destination = '/etc/hostname'
    if (this.#spec.mounts.some((mount) => mount.destination === destination)) return []
    writeFileSync(this.path('hostname'), `${this.#spec.hostname}\n`, { mode: 0o644 })
    return [{ type: 'bind', source: this.path('hostname'), destination, readonly: true }]
  }

  /**
   * Returns the `process` of a config.json for a command besides the container's own, as the same user.
   *
   * @param pid - the container's first process
   * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE
   */
  processOf(args: readonly string[], pid: number): object {
    if (this.#user === undefined) throw new Error('the bundle is not prepared')
    using root = this.#viewOf(pid)
    checkCommand(root, { ...this.#spec, args }, executorOf(this.#user, this.#spec))
    return { ...this.#process, args }
  }

  /**
   * Shows the files of the running container: those that it put into memory, or mounted itself, are there too. A first
   * process that has changed its root directory shows less than a command sees.
   */
  #viewOf(pid: number): RootView {
    const root = `/proc/${pid}/root`
    const [seen, whole] = [statSync(root), statSync(this.#target)]
    if (seen.dev === whole.dev && seen.ino === whole.ino) return new RootView(root, [])
    return new RootView(this.#target, [...viewedDefaults(), ...(this.#rootfs?.mounts ?? [])])
  }

  /** Returns the path of a file of the bundle. */
  path(name: string): string {
    return join(this.directory, name)
  }

  /** Reads the pid that the OCI runtime writes, in one piece, when the container's first process exists. */
  readPid(): number | undefined {
    const text = readIfThere(this.path('pid'))
    return text === '' ? undefined : Number(text)
  }

  /**
   * Opens the container's standard input: what is all here as a file, since a pipe would fill at the reader's pace.
   *
   * @param onPipe - called when it is the pipe of a stream, which is open now
   */
  openInput(onPipe: (path: string) => void): number {
    const { stdin, stdinPipe } = this.#spec
    if (stdinPipe !== undefined) return openInputPipe(stdinPipe, onPipe)
    if (stdin === undefined) return openSync('/dev/null', 'r')
    writeFileSync(this.path('stdin'), stdin, { mode: 0o644 })
    return openSync(this.path('stdin'), 'r')
  }

  unmountRootfs(): void {
    this.#rootfs?.unmount()
  }

  unmountLayers(): void {
    this.#layers.unmount()
  }

  /** Removes the directory, and the overlay's directory beside the upper; after the unmounting. */
  async remove(): Promise<void> {
    // Not recursive: if it were still mounted, that would empty the upper directory.
    removeMountTarget(this.#target)
    this.#layers.remove()
    rmSync(this.directory, { recursive: true, force: true })
    await this.#rootfs?.remove()
  }
}

function executorOf(user: ContainerUser, { resources = {} }: ContainerSpec): Executor {
  const bounding = capabilitiesOf(resources)
  return { ...user, bounding, capabilities: effectiveCapabilities(user, bounding) }
}
