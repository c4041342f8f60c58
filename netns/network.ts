import type dgram from 'node:dgram'
import type net from 'node:net'
import type { Isolation } from './firewall/network-ruleset.ts'
import type { NamespaceOf } from './handle/foreign-namespace.ts'
import type { AdoptedSandbox, Sandbox } from './handle/sandbox.ts'
import type { BatchedUdp } from './sockets/batched-udp.ts'
import type { Forward, ForwardOptions } from './sockets/forward.ts'
import type { ReservedForward } from './sockets/reserve.ts'
import type { ConnectOptions } from './sockets/sockets.ts'
import type { HostRouteState } from './topology/host-route.ts'
import type { NetworkProblem } from './worker/problems.ts'

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
  /** @defaultValue 10.200.0.0/16 to 10.231.0.0/16, then others of 172.16.0.0/12, 192.168.0.0/16, … */
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
  /** Milliseconds that a released address stays in quarantine, before another sandbox gets it. @defaultValue 120,000 */
  quarantine?: number
  /** How many sandboxes one bridge may have; more of them get another bridge. @defaultValue 1023, the kernel's limit */
  portsPerBridge?: number
  /** How many sandboxes are kept ready. @defaultValue 8 */
  poolSize?: number
  /** The subnet that the addresses of links to the host are from. @defaultValue 169.254.240.0/20 */
  uplinkRange?: string
  signal?: AbortSignal
}

/** A sandbox that is granted something, or to which a grant leads. */
export type Granted = Pick<Sandbox, 'address' | 'address6'>

export interface NetworkEvents {
  /** The list of problems has changed; see `problems`. */
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
  /** Undefined where it has no IPv6. */
  readonly subnet6: string | undefined
  readonly gateway6: string | undefined
  readonly mtu: number
  readonly isolation: Isolation
  /** The present problems: a route of the host that has come to meet the subnet, rules that could not be put back. */
  readonly problems: readonly NetworkProblem[]
  on<Name extends keyof NetworkEvents>(event: Name, listener: NetworkEvents[Name]): void
  off<Name extends keyof NetworkEvents>(event: Name, listener: NetworkEvents[Name]): void
  /** The path of the namespace that holds bridge and gateway. */
  readonly namespace: string
  /** Tells whether this host has a route to the sandboxes; without one all else works, `connectTcp` included. */
  readonly hostRoute: HostRouteState
  /** The number of sandboxes in use. */
  readonly sandboxes: number
  /** The number of sandboxes that are kept ready. */
  readonly pooled: number
  /**
   * Makes a sandbox, at once if one is ready.
   *
   * @throws NetnsError `ADDRESSES_EXHAUSTED`, `NETWORK_GONE`, `KERNEL`, `NFT_FAILED`
   */
  createSandbox(options?: { signal?: AbortSignal }): Promise<Sandbox>
  /**
   * Gives a namespace that somebody else made a link to this network, an address, routes and the same firewall. All
   * that it has stays; it gets a default route only where it has none.
   *
   * @example
   * const box = await net.adopt({ pid: 4711 })
   * @throws NetnsError `BAD_NAMESPACE`, `ADDRESSES_EXHAUSTED`, `NETWORK_GONE`, `KERNEL`, `NFT_FAILED`
   */
  adopt(namespace: NamespaceOf): Promise<AdoptedSandbox>
  /**
   * Lets the client open connections to the service, with `isolation: 'bindings'`, from the moment this resolves until
   * `revoke` or the end of either. Granting twice is granting once.
   *
   * @throws NetnsError `NETWORK_GONE` when either is no sandbox of this network (any more)
   */
  grant(client: Granted, service: Granted): Promise<void>
  /** Takes a grant back: when this resolves no packet passes between the two, and open connections are reset. */
  revoke(client: Granted, service: Granted): Promise<void>
  /** Makes a UDP socket inside the network, for example on the gateway's port 53. It is bound when this returns. */
  bindUdp(address: string, port: number): dgram.Socket
  /** Makes a UDP socket that receives and sends in batches, for a server of many small questions. */
  bindBatchedUdp(address: string, port: number): BatchedUdp
  /** Makes a TCP server inside the network, which listens when this resolves. */
  listenTcp(address: string, port: number): Promise<net.Server>
  /** Connects from the gateway's address to a sandbox; needs no route on the host. */
  connectTcp(address: string, port: number, options?: ConnectOptions): Promise<net.Socket>
  /**
   * Opens a port of the host that leads to a sandbox, until it is closed or the network destroyed; needs no route on
   * the host.
   *
   * @example
   * await using web = await net.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } })
   * await fetch(`http://${web.address}:${web.port}`)
   * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
   */
  forward(options: ForwardOptions): Promise<Forward>
  /**
   * The same, shut at first: the port is nobody else's, and refuses clients until `open()`.
   *
   * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
   */
  reserve(options: ForwardOptions): Promise<ReservedForward>
  /**
   * Leaves the network in the kernel, without sandboxes, for `openNetwork`, of this process or a later one. Until then
   * nothing keeps its rules on the host.
   */
  giveUp(): Promise<void>
  /** Removes the network and its sandboxes from the kernel; processes in one are cut off. May be called again. */
  destroy(): Promise<void>
}

export interface OpenNetworkOptions {
  name: string
  /** The instance that it must be of. @defaultValue any */
  instance?: string
  /** As it was given to `createNetwork`. @defaultValue `/run/moorage` */
  runDirectory?: string
  /** How many sandboxes are kept ready. @defaultValue 8 */
  poolSize?: number
  signal?: AbortSignal
}
