/** What an instance needs of the host, held by its networks: made by the first of them, removed by the last. */
import { readFileSync, writeFileSync } from 'node:fs'
import { defaultUplinkRange, type HostRoute, parseSubnet } from './addresses.ts'
import { applyRuleset, hostRuleset, removeTable } from './firewall.ts'
import { type NetlinkSocket, rtnetlink } from './kernel/index.ts'
import { tableName } from './names.ts'

interface HeldHost {
  holders: number
  uplinkRange: string
  ready: Promise<void>
}

const held = new Map<string, HeldHost>()
/** The removals under way: whoever comes meanwhile waits, or the table would be removed under him. */
const leaving = new Map<string, Promise<void>>()

const forwarding = '/proc/sys/net/ipv4/ip_forward'

async function prepare(instance: string): Promise<void> {
  await leaving.get(instance)?.catch(() => {})
  if (readFileSync(forwarding, 'utf8').trim() !== '1') writeFileSync(forwarding, '1')
  await applyRuleset(hostRuleset(instance))
}

/** Makes sure of the host's table until `releaseHost`; returns the range of the instance's uplinks. */
export async function holdHost(instance: string, uplinkRange?: string): Promise<string> {
  if (uplinkRange !== undefined) parseSubnet(uplinkRange, 31)
  let host = held.get(instance)
  if (host === undefined) {
    host = { holders: 0, uplinkRange: uplinkRange ?? defaultUplinkRange, ready: prepare(instance) }
    held.set(instance, host)
  }
  host.holders += 1
  try {
    await host.ready
  } catch (error) {
    host.holders -= 1
    if (host.holders === 0 && held.get(instance) === host) held.delete(instance)
    throw error
  }
  return uplinkRange ?? host.uplinkRange
}

export async function releaseHost(instance: string): Promise<void> {
  const host = held.get(instance)
  if (host === undefined) return
  host.holders -= 1
  if (host.holders > 0) return
  held.delete(instance)
  const removal = removeTable(tableName(instance)).then(() => {})
  leaving.set(instance, removal)
  try {
    await removal
  } finally {
    if (leaving.get(instance) === removal) leaving.delete(instance)
  }
}

/** Where the host's packets go now, and how large they may be on their way out. */
export function lookAtHost(socket: NetlinkSocket): { routes: HostRoute[]; mtu: number } {
  const links = new Map(rtnetlink.listLinks(socket).map((link) => [link.index, link]))
  const found = rtnetlink.listRoutes(socket)
  const way = found.find(({ length, index }) => length === 0 && index !== undefined)
  return {
    routes: found.map(({ address, length, index }) => ({
      address,
      length,
      link: links.get(index ?? 0)?.name,
    })),
    mtu: links.get(way?.index ?? 0)?.mtu ?? 1500,
  }
}
