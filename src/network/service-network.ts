import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DnsAnswer } from '../../dns/index.ts'
import { createNetwork, type Isolation, type NamespaceOf, type Network } from '../../netns/index.ts'
import { holdDnsThread } from './dns-thread.ts'
import { Grants } from './grants.ts'
import { adoptInto, type JoinOptions, joinNetwork, type Member, type MemberOptions } from './member.ts'
import { Members, type Step } from './members.ts'
import { type NetworkRecord, openNetworkDns } from './network-dns.ts'

export interface ServiceNetworkOptions {
  name: string
  /** Marks every kernel object; by default it is derived by `moorage/netns`. */
  instance?: string
  /** Where hosts files and the network's name live. @defaultValue `/run/moorage` */
  runDirectory?: string
  /** A CIDR; by default a free one is chosen. */
  subnet?: string
  /** IPv6 beside IPv4: a prefix, or `true` for a random one of our own. @defaultValue false */
  ipv6?: boolean | string
  /**
   * `bindings`: a member resolves, and reaches, itself and what it has an alias for; others are refused at once.
   *
   * @defaultValue `network`: all reach all
   */
  isolation?: Isolation
  /** The zone that names are in. @defaultValue `moorage.internal` */
  zone?: string
  /** Where names of the outside are asked for. @defaultValue `system` */
  upstreams?: 'system' | 'none' | string[]
  /** How many sandboxes are kept ready. */
  poolSize?: number
  signal?: AbortSignal
  /** For tests: told before each step of a change, which fails with what is thrown. */
  beforeStep?: (step: Step) => void
}

export interface ServiceNetwork extends AsyncDisposable {
  readonly name: string
  readonly zone: string
  /** The network underneath: subnet, gateway, sockets inside it, forwards. */
  readonly network: Network
  /** A namespace, an address, names and aliases; all of it or, on failure, nothing. */
  join(options?: JoinOptions): Promise<Member>
  /**
   * The same for a namespace that somebody else made, of a process or by its path; all of it or nothing. It is let go
   * of when the namespace ends.
   */
  adopt(namespace: NamespaceOf, options?: MemberOptions): Promise<Member>
  /** Whether the client with this address has an alias for one of these names. */
  isBound(client: string, names: readonly string[]): boolean
  /** What a client would get; `as` is its address. */
  query(name: string, type: string, options?: { as?: string; signal?: AbortSignal }): Promise<DnsAnswer>
  records(): NetworkRecord[]
  /** Ends all members and removes the network. May be called again. */
  close(): Promise<void>
}

/**
 * A network with its DNS server: the two joined, without the engine.
 *
 * @example
 * await using web = await createServiceNetwork({ name: 'ci' })
 * const db = await web.join({ name: 'db' })
 * const client = await web.adopt({ pid }, { aliases: { postgres: 'db' } })
 */
export async function createServiceNetwork(options: ServiceNetworkOptions): Promise<ServiceNetwork> {
  const { zone = 'moorage.internal', upstreams = 'system', runDirectory = '/run/moorage', name } = options
  await using undo = new AsyncDisposableStack()
  // First: it starts while the network is made.
  const thread = undo.use(holdDnsThread())
  const network = await createNetwork({ ...networkOptions(options), runDirectory })
  undo.defer(() => network.destroy())
  const directory = join(runDirectory, 'hosts', name)
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  undo.defer(() => rmSync(directory, { recursive: true, force: true }))
  const resolvConf = join(directory, 'resolv.conf')
  // One nameserver: musl asks all of them at once. No search list: it leaks names and slows every lookup.
  writeFileSync(resolvConf, `nameserver ${network.gateway}\noptions ndots:0\n`)
  const dns = undo.use(await openNetworkDns(network, thread, { zone, upstreams }))
  const { beforeStep } = options
  const grants = network.isolation === 'bindings' ? new Grants(network) : undefined
  const members = new Members({
    zone,
    dns,
    ...(grants === undefined ? {} : { grants }),
    ...(beforeStep === undefined ? {} : { before: beforeStep }),
  })
  const place = { network, members, directory, resolvConf, whenGone: new Set<() => void>() }

  const held = undo.move()
  let closing: Promise<void> | undefined
  const close = () => {
    members.forgetAll()
    closing ??= held.disposeAsync().finally(() => {
      for (const end of place.whenGone) end()
    })
    return closing
  }
  return {
    name,
    zone,
    network,
    join: (wanted = {}) => joinNetwork(place, wanted),
    adopt: (namespace, wanted = {}) => adoptInto(place, namespace, wanted),
    isBound: (client, names) => members.isBound(client, names),
    query: (queried, type, wanted) => dns.query(queried, type, wanted ?? {}),
    records: () => dns.records(),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function networkOptions(options: ServiceNetworkOptions) {
  const { name, instance, subnet, ipv6, isolation, poolSize, signal } = options
  return {
    name,
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(instance === undefined ? {} : { instance }),
    ...(subnet === undefined ? {} : { subnet }),
    ...(poolSize === undefined ? {} : { poolSize }),
    ...(signal === undefined ? {} : { signal }),
  }
}
