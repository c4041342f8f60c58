import { join } from 'node:path'
import type { AdoptedSandbox, NamespaceOf, Network, Sandbox } from '../../netns/index.ts'
import { withoutUndefined } from '../without-undefined.ts'
import type { AliasMap, MemberEntry, Members } from './members.ts'

/** The names of a member, and its aliases for others. */
export interface MemberOptions {
  /** Its name in the zone. */
  name?: string
  /** Further names in the zone. */
  names?: readonly string[]
  /** Its host name: stands first among its names in its hosts file, alone, so that `hostname -f` agrees with it. */
  hostname?: string
  /**
   * The names that it sees besides the zone: alias -> a name of the zone, which nobody needs to have yet. An alias is
   * any host name, one of the outside world too.
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
  /** Undefined where the network has no IPv6. */
  readonly address6: string | undefined
  /** Path of its network namespace, for an OCI runtime or nsenter. */
  readonly namespace: string
  /** To be mounted read-only at /etc/hosts; follows its aliases. */
  readonly hostsFile: string
  /** To be mounted read-only at /etc/resolv.conf. */
  readonly resolvConf: string
  /**
   * To be mounted read-only at /etc/host.conf, where the network has IPv6: without it glibc sees one of the two addresses
   * of a name in a hosts file. Undefined elsewhere.
   */
  readonly hostConf: string | undefined
  /** Its sandbox, for starting processes and opening sockets in it. */
  readonly sandbox: Omit<Sandbox, 'fd'>
  /** Resolves when it is no member any more; an adopted one also ends with its namespace. */
  readonly ended: Promise<void>
  /**
   * Replaces its aliases. DNS, hosts file and grants are all in effect when this resolves; when it rejects, none is.
   */
  setAliases(aliases: AliasMap): Promise<void>
  /** Gives everything back. May be called again. */
  release(): Promise<void>
}

/** Shared by the members of one network. */
export interface MemberContext {
  readonly network: Network
  readonly members: Members
  /** The directory of their hosts files. */
  readonly directory: string
  readonly resolvConf: string
  readonly hostConf: string | undefined
  /** Called when the network has gone. */
  readonly whenGone: Set<() => void>
}

/** Makes a member in a sandbox of its own: all of it or, on failure, nothing. */
export async function joinMember(
  context: MemberContext,
  { signal, ...options }: JoinOptions,
): Promise<Member> {
  const sandbox = await context.network.createSandbox(withoutUndefined({ signal }))
  return addMember(context, sandbox, options, signal)
}

/** Makes a member in a namespace that somebody else made; its membership ends with the namespace. */
export async function adoptMember(
  context: MemberContext,
  namespace: NamespaceOf,
  options: MemberOptions,
): Promise<Member> {
  const sandbox = await context.network.adopt(namespace)
  const member = await addMember(context, sandbox, options)
  void (sandbox as AdoptedSandbox).ended.then(() => member.release()).catch(() => undefined)
  return member
}

async function addMember(
  { members, directory, resolvConf, hostConf, whenGone }: MemberContext,
  sandbox: Omit<Sandbox, 'fd'>,
  { name, names = [], hostname, aliases = {}, service = false }: MemberOptions,
  signal?: AbortSignal,
): Promise<Member> {
  const entry: MemberEntry = {
    claim: { address: sandbox.address, address6: sandbox.address6, service },
    names: [...(name === undefined ? [] : [name]), ...names],
    ...withoutUndefined({ hostname }),
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
      // Even if some of its names could not be taken back, nobody is reached at its address any more.
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
    hostConf,
    sandbox,
    ended: ended.promise,
    setAliases: (next) => members.setAliases(entry, { ...next }),
    release,
    [Symbol.asyncDispose]: release,
  }
}
