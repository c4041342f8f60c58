import { join } from 'node:path'
import type { AdoptedSandbox, NamespaceOf, Network, Sandbox } from '../../netns/index.ts'
import type { AliasMap, Entry, Members } from './members.ts'

/** What a member is called, and what it calls others. */
export interface MemberOptions {
  /** Its name in the zone. */
  name?: string
  /** Further names in the zone. */
  names?: readonly string[]
  /**
   * What it sees besides the zone: alias -> a name of the zone, which nobody needs to have yet. An alias is any host
   * name, one of the outside world too.
   */
  aliases?: AliasMap
  /** Others find it by its names even while a run of equal names is there. */
  service?: boolean
}

export interface JoinOptions extends MemberOptions {
  signal?: AbortSignal
}

/** A berth: a namespace with an address, names and aliases. It ends with `release()`. */
export interface Member extends AsyncDisposable {
  readonly address: string
  /** Where the network has IPv6. */
  readonly address6: string | undefined
  /** Path of its network namespace, for an OCI runtime or nsenter. */
  readonly namespace: string
  /** To be mounted read-only at /etc/hosts; follows its aliases. */
  readonly hostsFile: string
  /** To be mounted read-only at /etc/resolv.conf. */
  readonly resolvConf: string
  /** Its sandbox, for starting processes and opening sockets in it. */
  readonly sandbox: Omit<Sandbox, 'fd'>
  /** Resolves when it is a member no more; one that was adopted also ends with its namespace. */
  readonly ended: Promise<void>
  /**
   * Other aliases, in place of those it has. All of it is in effect when this resolves: DNS, hosts file, grants; or,
   * where it is rejected, nothing.
   */
  setAliases(aliases: AliasMap): Promise<void>
  /** Gives everything back. May be called again. */
  release(): Promise<void>
}

/** What members of one network share. */
export interface Place {
  readonly network: Network
  readonly members: Members
  /** Where their hosts files are. */
  readonly directory: string
  readonly resolvConf: string
  /** Told when the network has gone, by its members. */
  readonly whenGone: Set<() => void>
}

/** All of it or, on failure, nothing. */
export async function joinNetwork(place: Place, { signal, ...options }: JoinOptions): Promise<Member> {
  const sandbox = await place.network.createSandbox(signal === undefined ? {} : { signal })
  return enter(place, sandbox, options, signal)
}

/** The same in a namespace that somebody else made; it is let go of when that ends. */
export async function adoptInto(place: Place, of: NamespaceOf, options: MemberOptions): Promise<Member> {
  const sandbox = await place.network.adopt(of)
  const member = await enter(place, sandbox, options)
  void (sandbox as AdoptedSandbox).ended.then(() => member.release()).catch(() => undefined)
  return member
}

async function enter(
  { members, directory, resolvConf, whenGone }: Place,
  sandbox: Omit<Sandbox, 'fd'>,
  { name, names = [], aliases = {}, service = false }: MemberOptions,
  signal?: AbortSignal,
): Promise<Member> {
  const entry: Entry = {
    claim: { address: sandbox.address, address6: sandbox.address6, service },
    names: [...(name === undefined ? [] : [name]), ...names],
    aliases: { ...aliases },
    hostsFile: join(directory, sandbox.address),
  }
  try {
    signal?.throwIfAborted()
    await members.add(entry)
  } catch (error) {
    await sandbox.destroy()
    throw error
  }
  const ended = Promise.withResolvers<void>()
  const end = () => {
    whenGone.delete(end)
    ended.resolve()
  }
  whenGone.add(end)
  let leaving: Promise<void> | undefined
  const leave = async () => {
    try {
      await members.remove(entry)
    } finally {
      // Whatever of its names could not be taken back, nobody is reached at its address any more.
      await sandbox.destroy().finally(end)
    }
  }
  const release = () => {
    leaving ??= leave()
    return leaving
  }
  return {
    address: sandbox.address,
    address6: sandbox.address6,
    namespace: sandbox.namespace,
    hostsFile: entry.hostsFile,
    resolvConf,
    sandbox,
    ended: ended.promise,
    setAliases: (next) => members.setAliases(entry, { ...next }),
    release,
    [Symbol.asyncDispose]: release,
  }
}
