import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import type dgram from 'node:dgram'
import type net from 'node:net'
import { inNamespace, NetnsError } from '../kernel/index.ts'
import { type Forward, forwardToHost, type HostForwardOptions } from '../sockets/forward.ts'
import type { OpenForwards } from '../sockets/open-forwards.ts'
import { bindUdp, type ConnectOptions, connectTcp, listenTcp } from '../sockets/sockets.ts'
import type { SandboxFacts } from '../topology/sandbox-port.ts'

/** One container's network: a namespace with a loopback, and an address on the network's bridge. */
export interface Sandbox extends AsyncDisposable {
  readonly address: string
  /** Undefined where the network has no IPv6. */
  readonly address6: string | undefined
  readonly mac: string
  /** Its path, for an OCI runtime or nsenter: `/proc/<this process>/fd/N`, valid until `destroy`. */
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
   * Makes a UDP socket of this process at the sandbox's address, or another one of its own. Bound when this returns.
   */
  bindUdp(port: number, address?: string): dgram.Socket
  /**
   * Makes a TCP server of this process at the sandbox's address, or another one of its own. It listens when this
   * resolves.
   */
  listenTcp(port: number, address?: string): Promise<net.Server>
  /** Makes a connection of this process that others see as the sandbox's. */
  connectTcp(address: string, port: number, options?: ConnectOptions): Promise<net.Socket>
  /**
   * Opens a port of the sandbox that leads to the host, until it is closed or the sandbox destroyed.
   *
   * @example
   * await box.forward({ port: 5432, to: { port: 5432 } })    // to 127.0.0.1 of the host
   * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
   */
  forward(options: HostForwardOptions): Promise<Forward>
  /**
   * Removes it from the network: from now on nothing reaches its address, which stays in quarantine before another
   * sandbox gets it. A process that is still in it is not ended. May be called again.
   */
  destroy(): Promise<void>
}

/** A namespace that somebody else made, with a link, an address and routes of this network. */
export interface AdoptedSandbox extends Omit<Sandbox, 'fd'> {
  /**
   * Resolves when it is no longer in the network: it or the network was destroyed, or its namespace ended, which
   * happens with the last process, mount and descriptor that held it. Nothing of ours holds it, but for sockets and
   * forwards that were opened in it.
   */
  readonly ended: Promise<void>
}

export interface SandboxParts {
  facts: Pick<SandboxFacts, 'address' | 'address6' | 'mac'>
  namespace: string
  /** Runs a function with a descriptor of the namespace. */
  enter: <T>(use: (fd: number) => T) => T
  /** Collects the sandbox's forwards, so that they end with the network as well. */
  forwards: OpenForwards
  remove: () => Promise<void>
}

export function sandboxHandle({
  facts,
  namespace,
  enter,
  forwards,
  remove,
}: SandboxParts): Omit<Sandbox, 'fd'> {
  const { address, address6, mac } = facts
  let removal: Promise<void> | undefined
  const gone = new NetnsError('NETWORK_GONE', `the sandbox ${address} was destroyed`)
  const inside = <T>(use: (fd: number) => T): T => {
    if (removal !== undefined) throw gone
    return enter(use)
  }
  const destroy = () => {
    removal ??= forwards.close().then(remove, remove)
    return removal
  }
  return {
    address,
    address6,
    mac,
    namespace,
    spawn: (command, args = [], options = {}) =>
      inside((fd) => inNamespace(fd, () => spawn(command, args, options))),
    bindUdp: (port, own = address) => inside((fd) => bindUdp(fd, own, port)),
    listenTcp: async (port, own = address) => inside((fd) => listenTcp(fd, own, port)),
    connectTcp: async (to, port, options) => inside((fd) => connectTcp(fd, to, port, options)),
    forward: async (options) => inside((fd) => forwards.hold(forwardToHost(fd, address, options), gone)),
    destroy,
    [Symbol.asyncDispose]: destroy,
  }
}
