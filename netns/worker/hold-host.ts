/** What an instance needs of the host, held by its networks: made by the first of them, removed by the last. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { addressText, defaultUplinkRange, type HostRoute, parseSubnet } from '../addressing/addresses.ts'
import { address6Text } from '../addressing/addresses6.ts'
import { tableName } from '../addressing/kernel-names.ts'
import { DockerWayOut } from '../firewall/docker-user.ts'
import { hostRuleset } from '../firewall/network-ruleset.ts'
import { applyRuleset, removeTable } from '../firewall/nft.ts'
import { TableGuard } from '../firewall/table-guard.ts'
import { type NetlinkSocket, rtnetlink } from '../kernel/index.ts'

/** Told when somebody changed the instance's table on the host and it was put back, or could not be. */
export type RestoredListener = (by: string, failure?: Error) => void

export interface HostHold {
  /** Of the instance's uplinks. */
  readonly uplinkRange: string
  release(): Promise<void>
}

interface HeldHost {
  listeners: Set<RestoredListener>
  uplinkRange: string
  ready: Promise<PreparedHost>
}

interface PreparedHost {
  guard: TableGuard
  docker: DockerWayOut
}

const held = new Map<string, HeldHost>()
/** The removals under way: whoever comes meanwhile waits, or the table would be removed under him. */
const leaving = new Map<string, Promise<void>>()

const forwarding = '/proc/sys/net/ipv4/ip_forward'

async function prepare(instance: string, listeners: ReadonlySet<RestoredListener>): Promise<PreparedHost> {
  await leaving.get(instance)?.catch(() => {})
  if (readFileSync(forwarding, 'utf8').trim() !== '1') writeFileSync(forwarding, '1')
  const restore = () => applyRuleset(hostRuleset(instance))
  const guard = new TableGuard({
    tables: [tableName(instance)],
    restore,
    onRestored: (by, failure) => {
      for (const listener of listeners) listener(by, failure)
    },
  })
  try {
    guard.expect()
    const told = (error: Error) => {
      for (const listener of listeners) listener('Docker’s firewall', error)
    }
    const [docker, table] = await Promise.allSettled([DockerWayOut.open(instance, told), restore()])
    if (docker.status === 'rejected') throw docker.reason
    if (table.status === 'fulfilled') return { guard, docker: docker.value }
    await docker.value[Symbol.asyncDispose]()
    throw table.reason
  } catch (error) {
    guard[Symbol.dispose]()
    throw error
  }
}

/** Makes sure of the host's table until it is released. */
export async function holdHost(
  instance: string,
  { uplinkRange, onRestored = () => {} }: { uplinkRange?: string; onRestored?: RestoredListener } = {},
): Promise<HostHold> {
  if (uplinkRange !== undefined) parseSubnet(uplinkRange, 31)
  let host = held.get(instance)
  if (host === undefined) {
    const listeners = new Set<RestoredListener>()
    host = { listeners, uplinkRange: uplinkRange ?? defaultUplinkRange, ready: prepare(instance, listeners) }
    held.set(instance, host)
  }
  const { listeners } = host
  // A function of its own for each holder: two may give the same.
  const listener: RestoredListener = (by, failure) => onRestored(by, failure)
  listeners.add(listener)
  try {
    await host.ready
  } catch (error) {
    listeners.delete(listener)
    if (listeners.size === 0 && held.get(instance) === host) held.delete(instance)
    throw error
  }
  const used = host
  return {
    uplinkRange: uplinkRange ?? host.uplinkRange,
    async release() {
      if (!listeners.delete(listener) || listeners.size > 0) return
      await removeHost(instance, used)
    },
  }
}

async function removeHost(instance: string, host: HeldHost): Promise<void> {
  held.delete(instance)
  const { guard, docker } = await host.ready
  guard[Symbol.dispose]()
  const removal = Promise.all([docker[Symbol.asyncDispose](), removeTable(tableName(instance))]).then(
    () => {},
  )
  leaving.set(instance, removal)
  try {
    await removal
  } finally {
    if (leaving.get(instance) === removal) leaving.delete(instance)
  }
}

export interface HostView {
  routes: HostRoute[]
  routes6: HostRoute[]
  /** How large packets may be on their way out. */
  mtu: number
}

/** Where the host's packets go now, whom it asks for names, and how large packets may be on their way out. */
export function lookAtHost(socket: NetlinkSocket): HostView {
  const links = new Map(rtnetlink.listLinks(socket).map((link) => [link.index, link]))
  const named = (found: rtnetlink.FoundRoute[], text: (address: Uint8Array) => string): HostRoute[] =>
    found.map(({ address, length, index }) => ({
      address: text(address),
      length,
      link: links.get(index ?? 0)?.name,
    }))
  const found = rtnetlink.listRoutes(socket)
  const way = found.find(({ length, index }) => length === 0 && index !== undefined)
  const servers = nameservers()
  return {
    routes: [...named(found, (address) => addressText(Buffer.from(address).readUInt32BE(0))), ...servers(4)],
    routes6: [...named(rtnetlink.listRoutes(socket, 'ipv6'), address6Text), ...servers(6)],
    mtu: links.get(way?.index ?? 0)?.mtu ?? 1500,
  }
}

/** Where a stub (127.0.0.53) stands in the one, the real servers are in the other. */
const resolvConfs = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']

function nameservers(): (version: 4 | 6) => HostRoute[] {
  const addresses = resolvConfs.flatMap((file) => {
    try {
      return [...readFileSync(file, 'utf8').matchAll(/^nameserver\s+([^\s%#;]+)/gm)].map(
        ([, server]) => server as string,
      )
    } catch {
      // Not every host has it.
      return []
    }
  })
  return (version) =>
    addresses
      .filter((address) => isIP(address) === version)
      .map((address) => ({ address, length: version === 4 ? 32 : 128, link: undefined, nameserver: true }))
}

/**
 * Lets the host forward IPv6, where it has a way out. A host that forwards believes no router any more, and would lose
 * its own default route, unless it is told to (accept_ra = 2).
 */
export function forwardIPv6({ routes6 }: HostView): void {
  const conf = '/proc/sys/net/ipv6/conf'
  const read = (link: string, name: string) => readFileSync(`${conf}/${link}/${name}`, 'utf8').trim()
  if (!routes6.some(({ length, link }) => length === 0 && link !== undefined && link !== 'lo')) return
  if (read('all', 'forwarding') === '1') return
  for (const link of readdirSync(conf)) {
    if (read(link, 'accept_ra') === '1') writeFileSync(`${conf}/${link}/accept_ra`, '2')
  }
  writeFileSync(`${conf}/all/forwarding`, '1')
}
