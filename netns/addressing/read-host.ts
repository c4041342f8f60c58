/** The host's routes and DNS servers, as far as a network's subnet must not meet them. */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type NetlinkSocket, rtnetlink } from '../kernel/index.ts'
import { addressText } from './addresses.ts'
import { address6Text } from './addresses6.ts'
import { uplinkPrefix } from './kernel-names.ts'

/** A route of the host, or one address that it needs: its own addresses and its DNS servers. */
export interface HostRoute {
  address: string
  length: number
  /** The name of its link. */
  link: string | undefined
  /** True for the address of a server that this host asks for names: that is no route. */
  nameserver?: boolean
}

export interface HostRoutes {
  routes: HostRoute[]
  routes6: HostRoute[]
  /** What the host delivers to itself, its broadcast addresses too; without the addresses of our own uplinks. */
  own: string[]
  own6: string[]
  /** The largest size of packets on their way out, in bytes. */
  mtu: number
}

/** Tells routes of the host from those that lead to networks of ours. */
export const isForeign = ({ link }: HostRoute) => !(link?.startsWith(uplinkPrefix()) ?? false)

export function routeText({ address, length, link, nameserver }: HostRoute): string {
  if (nameserver) return `the host's DNS server ${address}`
  return `the route ${address}/${length}${link === undefined ? '' : ` on ${link}`}`
}

/** Reads where the host's packets go now, which servers it asks for names, and the MTU of its default route. */
export function readHostRoutes(socket: NetlinkSocket): HostRoutes {
  const links = new Map(rtnetlink.listLinks(socket).map((link) => [link.index, link]))
  const withLinkNames = (found: rtnetlink.FoundRoute[], text: (address: Uint8Array) => string): HostRoute[] =>
    found.map(({ address, length, index }) => ({
      address: text(address),
      length,
      link: links.get(index ?? 0)?.name,
    }))
  const all = { ipv4: rtnetlink.listAllRoutes(socket), ipv6: rtnetlink.listAllRoutes(socket, 'ipv6') }
  const [ipv4, ipv6] = [all.ipv4, all.ipv6].map((found) => found.filter(({ toMany }) => !toMany)) as [
    rtnetlink.FoundRoute[],
    rtnetlink.FoundRoute[],
  ]
  const text4 = (address: Uint8Array) => addressText(Buffer.from(address).readUInt32BE(0))
  const ownOf = (found: rtnetlink.FoundRoute[], text: (address: Uint8Array) => string): string[] =>
    withLinkNames(
      found.filter(({ own }) => own),
      text,
    )
      .filter(isForeign)
      .map(({ address, length }) => `${address}/${length}`)
  const defaultRoute = ipv4.find(({ length, index }) => length === 0 && index !== undefined)
  const servers = resolvConfs.flatMap(nameserversIn)
  return {
    routes: [...withLinkNames(ipv4, text4), ...serverRoutes(servers, 4)],
    routes6: [...withLinkNames(ipv6, address6Text), ...serverRoutes(servers, 6)],
    own: ownOf(all.ipv4, text4),
    own6: ownOf(all.ipv6, address6Text),
    mtu: links.get(defaultRoute?.index ?? 0)?.mtu ?? 1500,
  }
}

/** If the first names a stub (127.0.0.53), the real servers are in the second. */
const resolvConfs = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']

/** Reads the addresses of the name servers in a resolv.conf; none where there is no such file. */
export function nameserversIn(file: string): string[] {
  try {
    return [...readFileSync(file, 'utf8').matchAll(/^nameserver\s+([^\s%#;]+)/gm)].map(
      ([, server]) => server as string,
    )
  } catch {
    return []
  }
}

function serverRoutes(servers: readonly string[], version: 4 | 6): HostRoute[] {
  return servers
    .filter((address) => isIP(address) === version)
    .map((address) => ({ address, length: version === 4 ? 32 : 128, link: undefined, nameserver: true }))
}
