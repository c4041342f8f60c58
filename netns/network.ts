import type dgram from 'node:dgram'
import { closeSync, openSync } from 'node:fs'
import type net from 'node:net'
import { defaultSubnets, parseSubnet } from './addresses.ts'
import { type BatchedUdp, bindBatchedUdp } from './batched-udp.ts'
import { foreignNamespace, type NamespaceOf } from './foreign-namespace.ts'
import { type Forward, type ForwardOptions, forwardFromHost } from './forward.ts'
import { Forwards } from './forwards.ts'
import { NetnsError } from './kernel/index.ts'
import { checkInstance, checkName, deriveInstance } from './names.ts'
import { createPool } from './pool.ts'
import type { MadeSandbox } from './port.ts'
import { type AdoptedSandbox, type Sandbox, type SandboxParts, sandboxOf } from './sandbox.ts'
import { bindUdp, type ConnectOptions, connectTcp, listenTcp } from './sockets.ts'
import type { HostRouteState } from './uplink.ts'
import { holdWorker, type WorkerThread } from './worker-thread.ts'

export interface NetworkOptions {
  /** Up to 63 letters, digits, `-` and `_`; unique in the run directory. */
  name: string
  /**
   * Marks everything that the network has on the host, so that `recover` finds it: 6 characters of lower-case
   * base32hex. By default one of this process and network alone, which the next network of this name recovers.
   */
  instance?: string
  /** The network's namespace gets a name in `netns/` there. @defaultValue `/run/moorage` */
  runDirectory?: string
  /** A CIDR of /8 to /30. @defaultValue the first of `subnets` that is free on this host */
  subnet?: string
  /** @defaultValue 10.200.0.0/16 to 10.231.0.0/16 */
  subnets?: readonly string[]
  /** How many sandboxes are kept ready. @defaultValue 8 */
  poolSize?: number
  /** Where the addresses of links to the host are from. @defaultValue 169.254.240.0/20 */
  uplinkRange?: string
  signal?: AbortSignal
}

/**
 * A bridge network in a namespace of its own. As long as one exists its process does not end by itself.
 */
export interface Network extends AsyncDisposable {
  readonly name: string
  readonly subnet: string
  /** The only address of the network's own; sandboxes may ask it for DNS (port 53) and ping it, nothing more. */
  readonly gateway: string
  /** The path of the namespace that holds bridge and gateway. */
  readonly namespace: string
  /** Whether this host has a route to the sandboxes; without one all else works, `connectTcp` included. */
  readonly hostRoute: HostRouteState
  /** Sandboxes in use, and those that are ready. */
  readonly sandboxes: number
  readonly pooled: number
  /**
   * A sandbox, at once when the pool has one.
   *
   * @throws NetnsError `ADDRESSES_EXHAUSTED`, `NETWORK_GONE`, `KERNEL`, `NFT_FAILED`
   */
  createSandbox(options?: { signal?: AbortSignal }): Promise<Sandbox>
  /**
   * Gives a namespace that somebody else made a link to this network, an address, routes and the same firewall. What
   * it has already stays; it gets a default route only where it has none.
   *
   * @example
   * const box = await net.adopt({ pid: 4711 })
   * @throws NetnsError `BAD_NAMESPACE`, `ADDRESSES_EXHAUSTED`, `NETWORK_GONE`, `KERNEL`, `NFT_FAILED`
   */
  adopt(namespace: NamespaceOf): Promise<AdoptedSandbox>
  /** A UDP socket inside the network, for example on the gateway's port 53. It is bound when this returns. */
  bindUdp(address: string, port: number): dgram.Socket
  /** The same, for a server of many small questions: it receives and sends in batches. */
  bindBatchedUdp(address: string, port: number): BatchedUdp
  /** A TCP server inside the network, which listens. */
  listenTcp(address: string, port: number): Promise<net.Server>
  /** A connection from the gateway's address to a sandbox; needs no route on the host. */
  connectTcp(address: string, port: number, options?: ConnectOptions): Promise<net.Socket>
  /**
   * A port of the host that leads to a sandbox, until it is closed or the network destroyed; needs no route on the
   * host.
   *
   * @example
   * await using web = await net.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } })
   * await fetch(`http://${web.address}:${web.port}`)
   * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
   */
  forward(options: ForwardOptions): Promise<Forward>
  /** Removes it from the kernel, sandboxes included; those who are in one are cut off. May be called again. */
  destroy(): Promise<void>
}

let networks = 0

/**
 * Makes a network: all of it or, on failure, nothing. Needs root.
 *
 * @example
 * await using net = await createNetwork({ name: 'demo', subnet: '10.88.0.0/16' })
 * await using box = await net.createSandbox()
 * box.spawn('curl', ['http://10.88.0.3'])
 * @throws NetnsError `NOT_ROOT`, `INVALID_NAME`, `BAD_CIDR`, `SUBNET_IN_USE`, `NO_SUBNET`, `NETWORK_EXISTS`, …
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { signal, poolSize = 8, runDirectory = '/run/moorage' } = options
  signal?.throwIfAborted()
  const name = checkName(options.name)
  const instance = checkInstance(options.instance ?? deriveInstance(process.pid, runDirectory, name))
  for (const subnet of options.subnet === undefined
    ? (options.subnets ?? defaultSubnets)
    : [options.subnet]) {
    parseSubnet(subnet)
  }
  requireRoot()
  const worker = holdWorker()
  const network = networks++
  let result: Network
  try {
    const made = await worker.call('createNetwork', {
      network,
      name,
      instance,
      runDirectory,
      ...(options.subnet === undefined ? {} : { subnet: options.subnet }),
      ...(options.subnets === undefined ? {} : { subnets: options.subnets }),
      ...(options.uplinkRange === undefined ? {} : { uplinkRange: options.uplinkRange }),
    })
    const { namespace: fd, path: namespace, ...facts } = made
    result = networkOf({ name, fd, facts: { ...facts, namespace }, worker, network, poolSize })
  } catch (error) {
    await worker.release()
    throw error
  }
  if (signal?.aborted) {
    await result.destroy()
    signal.throwIfAborted()
  }
  return result
}

function requireRoot(): void {
  const uid = process.geteuid?.() ?? -1
  if (uid !== 0) throw new NetnsError('NOT_ROOT', `making a network needs root; this process has uid ${uid}`)
}

interface Parts {
  name: string
  /** Of the network's namespace. */
  fd: number
  facts: Pick<Network, 'subnet' | 'gateway' | 'namespace' | 'hostRoute'>
  worker: WorkerThread
  network: number
  poolSize: number
}

function networkOf({ name, fd, facts, worker, network, poolSize }: Parts): Network {
  let removal: Promise<void> | undefined
  let inUse = 0
  /** The network's own, and those of its sandboxes. */
  const forwards = new Forwards()
  const allForwards = new Set([forwards])
  const gone = new NetnsError('NETWORK_GONE', `the network ${name} was destroyed`)
  const requireLife = () => {
    if (removal !== undefined) throw gone
  }

  const pool = createPool({ size: poolSize, make: () => worker.call('createSandbox', { network }) })

  const remove = async () => {
    try {
      await Promise.all([...allForwards].map((some) => some.close()))
      await pool.close(gone)
      await worker.call('destroyNetwork', { network })
    } finally {
      await worker.release()
    }
  }
  const destroy = () => {
    removal ??= remove()
    return removal
  }

  const berth = (made: MadeSandbox, namespace: string, enter: SandboxParts['enter']) => {
    inUse += 1
    const own = new Forwards()
    allForwards.add(own)
    const remove = async () => {
      inUse -= 1
      allForwards.delete(own)
      // With the network all its sandboxes go.
      if (removal === undefined) await worker.call('destroySandbox', { network, address: made.address })
      else await removal
    }
    return sandboxOf({ made, namespace, enter, forwards: own, remove })
  }

  pool.fill()
  return {
    name,
    ...facts,
    get sandboxes() {
      return inUse
    },
    get pooled() {
      return pool.ready
    },
    async createSandbox({ signal } = {}) {
      const made = await pool.take(signal)
      return {
        ...berth(made, `/proc/${process.pid}/fd/${made.fd}`, (use) => use(made.fd)),
        fd: made.fd,
      }
    },
    async adopt(of) {
      requireLife()
      const { path, enter } = foreignNamespace(of)
      // A copy of the descriptor, which the worker uses on a later turn.
      const namespace = enter((opened) => openSync(`/proc/self/fd/${opened}`, 'r'))
      let made: MadeSandbox
      try {
        made = await worker.call('adoptSandbox', { network, namespace })
      } finally {
        closeSync(namespace)
      }
      const sandbox = berth(made, path, enter)
      const ended = worker.call('adoptionEnded', { network, address: made.address }).then(
        () => sandbox.destroy(),
        // With the worker lost there is nothing left to be told of.
        () => undefined,
      )
      return { ...sandbox, ended }
    },
    bindUdp(address, port) {
      requireLife()
      return bindUdp(fd, address, port)
    },
    bindBatchedUdp(address, port) {
      requireLife()
      return bindBatchedUdp(address, port, { namespace: fd })
    },
    async listenTcp(address, port) {
      requireLife()
      return listenTcp(fd, address, port)
    },
    async connectTcp(address, port, options) {
      requireLife()
      return connectTcp(fd, address, port, options)
    },
    async forward(options) {
      requireLife()
      return forwards.hold(forwardFromHost(fd, options), gone)
    },
    destroy,
    [Symbol.asyncDispose]: destroy,
  }
}
