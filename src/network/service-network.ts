import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createDnsServer, type DnsAnswer, type DnsServer } from '../../dns/index.ts'
import { createNetwork, type Network, type Sandbox } from '../../netns/index.ts'
import { writeHostsFile } from './hosts-file.ts'
import { type Claim, NameClaims } from './names.ts'

export interface ServiceNetworkOptions {
  name: string
  /** Marks every kernel object; by default it is derived by `moorage/netns`. */
  instance?: string
  /** Where hosts files and the network's name live. @defaultValue `/run/moorage` */
  runDirectory?: string
  /** A CIDR; by default a free one is chosen. */
  subnet?: string
  /** The zone that names are in. @defaultValue `moorage.internal` */
  zone?: string
  /** Where names of the outside are asked for. @defaultValue `system` */
  upstreams?: 'system' | 'none' | string[]
  /** How many sandboxes are kept ready. */
  poolSize?: number
  signal?: AbortSignal
}

export interface JoinOptions {
  /** Its name in the zone. */
  name?: string
  /** Further names in the zone. */
  names?: readonly string[]
  /** What it sees besides the zone: alias -> a name of the zone. */
  aliases?: Readonly<Record<string, string>>
  /** Others find it by its names even while a run of equal names is there. */
  service?: boolean
  signal?: AbortSignal
}

/** A berth: a namespace with an address, names and aliases. It ends with `release()`. */
export interface Member extends AsyncDisposable {
  readonly address: string
  /** Path of its network namespace, for an OCI runtime or nsenter. */
  readonly namespace: string
  /** To be mounted read-only at /etc/hosts; follows its aliases. */
  readonly hostsFile: string
  /** To be mounted read-only at /etc/resolv.conf. */
  readonly resolvConf: string
  /** Its sandbox, for starting processes in it. */
  readonly sandbox: Sandbox
  release(): Promise<void>
}

/** A row of what DNS holds: `view` is `zone`, or the address of the client whose alias it is. */
export interface NetworkRecord {
  name: string
  value: string
  view: string
}

export interface ServiceNetwork extends AsyncDisposable {
  readonly name: string
  readonly zone: string
  /** The network underneath: subnet, gateway, sockets inside it. */
  readonly network: Network
  /** A namespace, an address, names and aliases; all of it or, on failure, nothing. */
  join(options: JoinOptions): Promise<Member>
  /** What a client would get; `as` is its address. */
  query(name: string, type: string, options?: { as?: string; signal?: AbortSignal }): Promise<DnsAnswer>
  records(): NetworkRecord[]
  close(): Promise<void>
}

interface Joined {
  readonly claim: Claim
  readonly names: readonly string[]
  readonly aliases: Readonly<Record<string, string>>
  readonly hostsFile: string
}

/**
 * A network with its DNS server: the two joined, without the engine.
 *
 * @example
 * await using web = await createServiceNetwork({ name: 'ci' })
 * const db = await web.join({ name: 'db' })
 * const client = await web.join({ aliases: { postgres: 'db' } })
 */
export async function createServiceNetwork(options: ServiceNetworkOptions): Promise<ServiceNetwork> {
  const { zone = 'moorage.internal', upstreams = 'system', runDirectory = '/run/moorage' } = options
  const network = await createNetwork({ ...networkOptions(options), runDirectory })
  const directory = join(runDirectory, 'hosts', options.name)
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 })
    const resolvConf = join(directory, 'resolv.conf')
    // One nameserver: musl asks all of them at once. No search list: it leaks names and slows every lookup.
    writeFileSync(resolvConf, `nameserver ${network.gateway}\noptions ndots:0\n`)
    const dns = await listen(network, zone, upstreams)
    return serviceNetwork({ name: options.name, zone, network, dns, directory, resolvConf })
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    await network.destroy()
    throw error
  }
}

function networkOptions({ name, instance, subnet, poolSize, signal }: ServiceNetworkOptions) {
  return {
    name,
    ...(instance === undefined ? {} : { instance }),
    ...(subnet === undefined ? {} : { subnet }),
    ...(poolSize === undefined ? {} : { poolSize }),
    ...(signal === undefined ? {} : { signal }),
  }
}

async function listen(
  network: Network,
  zone: string,
  upstreams: 'system' | 'none' | string[],
): Promise<DnsServer> {
  const udp = network.bindBatchedUdp(network.gateway, 53)
  try {
    const tcp = await network.listenTcp(network.gateway, 53)
    // The server takes the sockets over, and closes them on failure too.
    return await createDnsServer({
      zones: [zone],
      reverse: [network.subnet],
      listen: [{ udp, tcp }],
      upstreams,
    })
  } catch (error) {
    udp.close()
    throw error
  }
}

interface Parts {
  name: string
  zone: string
  network: Network
  dns: DnsServer
  directory: string
  resolvConf: string
}

function serviceNetwork({ name, zone, network, dns, directory, resolvConf }: Parts): ServiceNetwork {
  const claims = new NameClaims()
  const joined = new Set<Joined>()

  const publish = (changed: readonly string[], also?: (tx: Pick<DnsServer, 'zone' | 'views'>) => void) => {
    dns.update((tx) => {
      for (const changedName of changed) {
        const address = claims.addressOf(changedName)
        if (address === undefined) tx.zone(zone).delete(changedName)
        else tx.zone(zone).set(changedName, [address])
      }
      also?.(tx)
    })
    for (const member of joined) {
      if (Object.values(member.aliases).some((target) => changed.includes(target))) writeHosts(member)
    }
  }

  const writeHosts = ({ claim, names, aliases, hostsFile }: Joined) => {
    const own = { address: claim.address, names: names.flatMap((own) => [`${own}.${zone}`, own]) }
    const bound = Object.entries(aliases).flatMap(([alias, target]) => {
      const address = claims.addressOf(target)
      return address === undefined ? [] : [{ address, names: [alias] }]
    })
    writeHostsFile(hostsFile, [own, ...bound])
  }

  const leave = async (member: Joined, sandbox: Sandbox) => {
    if (joined.delete(member)) {
      for (const own of member.names) claims.remove(own, member.claim)
      publish(member.names, (tx) => tx.views.delete(member.claim.address))
      rmSync(member.hostsFile, { force: true })
    }
    await sandbox.destroy()
  }

  return {
    name,
    zone,
    network,
    async join(options) {
      const sandbox = await network.createSandbox(options.signal ? { signal: options.signal } : {})
      const member: Joined = {
        claim: { address: sandbox.address, service: options.service ?? false },
        names: [...(options.name === undefined ? [] : [options.name]), ...(options.names ?? [])],
        aliases: options.aliases ?? {},
        hostsFile: join(directory, sandbox.address),
      }
      joined.add(member)
      try {
        for (const own of member.names) claims.add(own, member.claim)
        writeHosts(member)
        publish(member.names, (tx) => tx.views.set(sandbox.address, { ...member.aliases }))
      } catch (error) {
        await leave(member, sandbox)
        throw error
      }
      const release = () => leave(member, sandbox)
      return {
        address: sandbox.address,
        namespace: sandbox.namespace,
        hostsFile: member.hostsFile,
        resolvConf,
        sandbox,
        release,
        [Symbol.asyncDispose]: release,
      }
    },
    query: (queried, type, options) => dns.query(queried, type, options ?? {}),
    records: () => recordsOf(dns, zone),
    async close() {
      await dns.close()
      rmSync(directory, { recursive: true, force: true })
      await network.destroy()
    },
    async [Symbol.asyncDispose]() {
      await this.close()
    },
  }
}

function recordsOf(dns: DnsServer, zone: string): NetworkRecord[] {
  const names = [...dns.zone(zone).entries()].flatMap(([name, addresses]) =>
    addresses.map((value) => ({ name: `${name}.${zone}`, value, view: 'zone' })),
  )
  const aliases = [...dns.views.entries()].flatMap(([client, view]) =>
    Object.entries(view).map(([alias, target]) => ({
      name: alias,
      value: `${target}.${zone}`,
      view: client,
    })),
  )
  return [...names, ...aliases]
}
