import type dgram from 'node:dgram'
import { closeSync, openSync } from 'node:fs'
import type net from 'node:net'
import { EventEmitter } from 'eventemitter3'
import { defaultSubnets, parseSubnet } from './addresses.ts'
import { parseSubnet6 } from './addresses6.ts'
import { type BatchedUdp, bindBatchedUdp } from './batched-udp.ts'
import { foreignNamespace, type NamespaceOf } from './foreign-namespace.ts'
import { type Forward, type ForwardOptions, forwardFromHost } from './forward.ts'
import { Forwards } from './forwards.ts'
import { NetnsError } from './kernel/index.ts'
import type { MadeNetwork, NetworkProblem } from './kernel-network.ts'
import { checkInstance, checkName, deriveInstance } from './names.ts'
import { createPool } from './pool.ts'
import type { MadeSandbox } from './port.ts'
import type { Grant, Isolation } from './ruleset.ts'
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
  /**
   * IPv6 beside IPv4: a prefix of /48 to /96, or `true` for a random /64 of our own (RFC 4193). Without it the network
   * has no IPv6 but each sandbox's own ::1.
   *
   * @defaultValue false
   */
  ipv6?: boolean | string
  /**
   * `bindings`: a sandbox may open connections to another only as long as it is granted; others are refused at once.
   *
   * @defaultValue `network`: all reach all
   */
  isolation?: Isolation
  /** Milliseconds that a released address rests before somebody else gets it. @defaultValue 120,000 */
  quarantine?: number
  /** How many sandboxes one bridge may have; more of them get another bridge. @defaultValue 1023, the kernel's limit */
  portsPerBridge?: number
  /** How many sandboxes are kept ready. @defaultValue 8 */
  poolSize?: number
  /** Where the addresses of links to the host are from. @defaultValue 169.254.240.0/20 */
  uplinkRange?: string
  signal?: AbortSignal
}

/** Who is meant by a grant. */
export type Granted = Pick<Sandbox, 'address' | 'address6'>

export interface NetworkEvents {
  /** What is wrong has changed; see `problems`. */
  problems: (problems: readonly NetworkProblem[]) => void
  /** Somebody changed or flushed the rules, in the network or on the host; they have been put back. */
  'firewall-restored': (restored: { where: 'network' | 'host'; by: string }) => void
}

/**
 * A bridge network in a namespace of its own. As long as one exists its process does not end by itself.
 */
export interface Network extends AsyncDisposable {
  readonly name: string
  readonly subnet: string
  /** The only address of the network's own; sandboxes may ask it for DNS (port 53) and ping it, nothing more. */
  readonly gateway: string
  /** Where it has IPv6. */
  readonly subnet6: string | undefined
  readonly gateway6: string | undefined
  readonly mtu: number
  readonly isolation: Isolation
  /** What is wrong at the moment: a route of the host that has come to meet the subnet, rules that stay lost. */
  readonly problems: readonly NetworkProblem[]
  on<Name extends keyof NetworkEvents>(event: Name, listener: NetworkEvents[Name]): void
  off<Name extends keyof NetworkEvents>(event: Name, listener: NetworkEvents[Name]): void
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
  /**
   * With `isolation: 'bindings'`: the client may open connections to the service, from the moment this resolves until
   * `revoke` or the end of either. Granting twice is granting once.
   *
   * @throws NetnsError `NETWORK_GONE` when either is no sandbox of this network (any more)
   */
  grant(client: Granted, service: Granted): Promise<void>
  /** When it resolves no packet passes between the two, in open connections neither: those are reset. */
  revoke(client: Granted, service: Granted): Promise<void>
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
  /**
   * Leaves it in the kernel, without sandboxes, for `openNetwork`, of this process or a later one. Until then nothing
   * keeps its rules on the host.
   */
  giveUp(): Promise<void>
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
  checkSubnets(options)
  requireRoot()
  const { subnet, subnets, ipv6, isolation = 'network', quarantine, portsPerBridge, uplinkRange } = options
  const given = { subnet, subnets, ipv6, quarantine, portsPerBridge, uplinkRange }
  const request = { name, instance, runDirectory, isolation, ...withoutUndefined(given) }
  return hold({ name, poolSize, signal }, (worker, network) =>
    worker.call('createNetwork', { network, ...request }),
  )
}

export interface OpenNetworkOptions {
  name: string
  /** To be sure that it is of this instance. */
  instance?: string
  /** As it was given to `createNetwork`. @defaultValue `/run/moorage` */
  runDirectory?: string
  /** How many sandboxes are kept ready. @defaultValue 8 */
  poolSize?: number
  signal?: AbortSignal
}

/**
 * Opens a network whose process has died or given it up. What it keeps: name, instance, subnets, gateway, isolation,
 * uplink and the host's route; what it does not: sandboxes and grants. Whoever is still in a sandbox is cut off.
 *
 * @throws NetnsError `NETWORK_GONE` when there is none, or it is damaged; `NETWORK_EXISTS` when somebody holds it
 */
export async function openNetwork(options: OpenNetworkOptions): Promise<Network> {
  const { signal, poolSize = 8, runDirectory = '/run/moorage' } = options
  signal?.throwIfAborted()
  const name = checkName(options.name)
  const instance = options.instance === undefined ? {} : { instance: checkInstance(options.instance) }
  requireRoot()
  return hold({ name, poolSize, signal }, (worker, network) =>
    worker.call('openNetwork', { network, name, runDirectory, ...instance }),
  )
}

async function hold(
  { name, poolSize, signal }: { name: string; poolSize: number; signal: AbortSignal | undefined },
  make: (worker: WorkerThread, network: number) => Promise<MadeNetwork>,
): Promise<Network> {
  const worker = holdWorker()
  const network = networks++
  let result: Network
  try {
    const made = await make(worker, network)
    result = networkOf({ name, made, worker, network, poolSize })
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

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

const withoutUndefined = <T extends object>(given: T) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Defined<T>

function checkSubnets({ subnet, subnets = defaultSubnets, ipv6 }: NetworkOptions): void {
  for (const one of subnet === undefined ? subnets : [subnet]) parseSubnet(one)
  if (typeof ipv6 === 'string') parseSubnet6(ipv6)
}

function requireRoot(): void {
  const uid = process.geteuid?.() ?? -1
  if (uid !== 0) throw new NetnsError('NOT_ROOT', `making a network needs root; this process has uid ${uid}`)
}

interface Parts {
  name: string
  made: MadeNetwork
  worker: WorkerThread
  network: number
  poolSize: number
}

function networkOf({ name, made, worker, network, poolSize }: Parts): Network {
  const { namespace: fd } = made
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

  const events = new EventEmitter<NetworkEvents>()
  let problems: readonly NetworkProblem[] = []
  const stopListening = worker.listen(network, (event) => {
    if (event.type === 'problems') {
      problems = event.problems
      events.emit('problems', problems)
    } else events.emit('firewall-restored', { where: event.where, by: event.by })
  })

  const end = async (how: 'destroyNetwork' | 'giveUpNetwork') => {
    try {
      await Promise.all([...allForwards].map((some) => some.close()))
      await pool.close(gone)
      await worker.call(how, { network })
    } finally {
      stopListening()
      await worker.release()
    }
  }
  const destroy = () => {
    removal ??= end('destroyNetwork')
    return removal
  }

  const destroyBox = batched((addresses: string[]) => worker.call('destroySandboxes', { network, addresses }))

  const berth = (made: MadeSandbox, namespace: string, enter: SandboxParts['enter']) => {
    inUse += 1
    const own = new Forwards()
    allForwards.add(own)
    const remove = async () => {
      inUse -= 1
      allForwards.delete(own)
      // With the network all its sandboxes go.
      if (removal === undefined) await destroyBox(made.address)
      else await removal
    }
    return sandboxOf({ made, namespace, enter, forwards: own, remove })
  }

  pool.fill()
  return {
    name,
    subnet: made.subnet,
    gateway: made.gateway,
    subnet6: made.subnet6,
    gateway6: made.gateway6,
    mtu: made.mtu,
    isolation: made.isolation,
    namespace: made.path,
    hostRoute: made.hostRoute,
    get problems() {
      return problems
    },
    on: (event, listener) => void events.on(event, listener as never),
    off: (event, listener) => void events.off(event, listener as never),
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
    async grant(client, service) {
      requireLife()
      await worker.call('grant', { network, grants: pairsOf(client, service) })
    },
    async revoke(client, service) {
      if (removal === undefined) await worker.call('revoke', { network, grants: pairsOf(client, service) })
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
    giveUp() {
      removal ??= end('giveUpNetwork')
      return removal
    },
    destroy,
    [Symbol.asyncDispose]: destroy,
  }
}

function pairsOf(client: Granted, service: Granted): Grant[] {
  const grants: Grant[] = [[client.address, service.address]]
  if (client.address6 !== undefined && service.address6 !== undefined) {
    grants.push([client.address6, service.address6])
  }
  return grants
}

/** Collects what is asked for in one turn, so that the kernel does it together. */
function batched<T>(run: (items: T[]) => Promise<void>): (item: T) => Promise<void> {
  let batch: { items: T[]; done: Promise<void> } | undefined
  return (item) => {
    if (batch === undefined) {
      const items: T[] = []
      const done = Promise.resolve().then(() => {
        batch = undefined
        return run(items)
      })
      batch = { items, done }
    }
    batch.items.push(item)
    return batch.done
  }
}
