import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { inNamespace, NetnsError } from './kernel/index.ts'
import type { MadeSandbox } from './port.ts'

/** One container's network: a namespace with a loopback, and an address on the network's bridge. */
export interface Sandbox extends AsyncDisposable {
  readonly address: string
  readonly mac: string
  /** For an OCI runtime or nsenter: `/proc/<this process>/fd/N`, valid until `destroy`. */
  readonly namespace: string
  /** The same, as a descriptor of this process. */
  readonly fd: number
  /**
   * Starts a process in it, with the file system and everything else of this process.
   *
   * @throws NetnsError `NETWORK_GONE` when it was destroyed
   */
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): ChildProcess
  /**
   * Lets go of it: from now on nothing reaches its address, which rests before somebody else gets it. A process that
   * is still in it is not ended. May be called again.
   */
  destroy(): Promise<void>
}

export function sandboxOf({ address, mac, fd }: MadeSandbox, remove: () => Promise<void>): Sandbox {
  let removal: Promise<void> | undefined
  const destroy = () => {
    removal ??= remove()
    return removal
  }
  return {
    address,
    mac,
    fd,
    namespace: `/proc/${process.pid}/fd/${fd}`,
    spawn(command, args = [], options = {}) {
      if (removal !== undefined) throw new NetnsError('NETWORK_GONE', `the sandbox ${address} was destroyed`)
      return inNamespace(fd, () => spawn(command, args, options))
    },
    destroy,
    [Symbol.asyncDispose]: destroy,
  }
}
