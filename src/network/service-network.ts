import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DnsAnswer } from '../../dns/index.ts'
import { createNetwork, type Isolation, type NamespaceOf, type Network } from '../../netns/index.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { holdDnsThread } from './dns-thread.ts'
import { Grants } from './grants.ts'
import { writeHostConf } from './host-conf.ts'
import { adoptMember, type JoinOptions, joinMember, type Member, type MemberOptions } from './member.ts'
import { type ChangeStep, Members } from './members.ts'
import { type NetworkRecord, openNetworkDns } from './network-dns.ts'
import { writeResolvConf } from './resolv-conf.ts'

export interface ServiceNetworkOptions {
  name: string
  /** Marks every kernel object; by default it is derived by `moorage/netns`. */
  instance?: string
  /** The directory of hosts files and of the network's name. @defaultValue `/run/moorage` */
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
  /** The DNS servers to ask for names of the outside. @defaultValue `system` */
  upstreams?: 'system' | 'none' | string[]
  /** How many sandboxes are kept ready. */
  poolSize?: number
  signal?: AbortSignal
  /** For tests: called before each step of a change, which fails with what this throws. */
  beforeStep?: (step: ChangeStep) => void
}

export interface ServiceNetwork extends AsyncDisposable {
  readonly name: string
  readonly zone: string
  /** The network underneath: subnet, gateway, sockets inside it, forwards. */
  readonly network: Network
  /** Makes a member: a namespace, an address, names and aliases; all of it or, on failure, nothing. */
  join(options?: JoinOptions): Promise<Member>
  /**
   * The same for a namespace that somebody else made, of a process or by its path; all of it or nothing. The membership
   * ends with the namespace.
   */
  adopt(namespace: NamespaceOf, options?: MemberOptions): Promise<Member>
  /** Tells whether the client with this address has an alias for one of these names. */
  isBound(client: string, names: readonly string[]): boolean
  /** Resolves a name as a client would; `as` is the client's address. */
  query(name: string, type: string, options?: { as?: string; signal?: AbortSignal }): Promise<DnsAnswer>
  records(): NetworkRecord[]
  /** Ends all members and removes the network. May be called again. */
  close(): Promise<void>
}

/**
 * Makes a network with its DNS server: the two joined, without the engine.
 *
 * @example
 * await using web = await createServiceNetwork({ name: 'ci' })
 * const db = await web.join({ name: 'db' })
 * const client = await web.adopt({ pid }, { aliases: { postgres: 'db' } })
 */
export async function createServiceNetwork(options: ServiceNetworkOptions): Promise<ServiceNetwork> {
  const { zone = 'moorage.internal', upstreams = 'system', runDirectory = '/run/moorage', name } = options
  await using undo = new AsyncDisposableStack()
  // First, since it starts while the network is made.
  const thread = undo.use(holdDnsThread())
  const network = await createNetwork({ ...networkOptions(options), runDirectory })
  undo.defer(() => network.destroy())
  const directory = join(runDirectory, 'hosts', name)
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  undo.defer(() => rmSync(directory, { recursive: true, force: true }))
  const resolvConf = writeResolvConf(directory, network.gateway)
  const hostConf = network.subnet6 === undefined ? undefined : writeHostConf(directory)
  const dns = undo.use(await openNetworkDns(network, thread, { zone, upstreams }))
  const { beforeStep } = options
  const grants = network.isolation === 'bindings' ? new Grants(network) : undefined
  const members = new Members({
    zone,
    dns,
    ...withoutUndefined({ grants, beforeStep }),
  })
  const context = { network, members, directory, resolvConf, hostConf, whenGone: new Set<() => void>() }

  const resources = undo.move()
  let closing: Promise<void> | undefined
  const close = () => {
    members.forgetAll()
    closing ??= resources.disposeAsync().finally(() => {
      for (const end of context.whenGone) end()
    })
    return closing
  }
  return {
    name,
    zone,
    network,
    join: (joinOptions = {}) => joinMember(context, joinOptions),
    adopt: (namespace, memberOptions = {}) => adoptMember(context, namespace, memberOptions),
    isBound: (client, names) => members.isBound(client, names),
    query: (host, type, queryOptions) => dns.query(host, type, queryOptions ?? {}),
    records: () => dns.records(),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function networkOptions(options: ServiceNetworkOptions) {
  const { name, instance, subnet, ipv6, isolation, poolSize, signal } = options
  return { name, ...withoutUndefined({ instance, subnet, ipv6, isolation, poolSize, signal }) }
}
