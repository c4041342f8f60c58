/** Checks the surroundings of networks on this host: other firewalls, routes, resolvers, leftovers of others. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseSubnet } from '../addressing/addresses.ts'
import { uplinkPrefix } from '../addressing/kernel-names.ts'
import {
  type HostRoutes,
  isForeign,
  nameserversIn,
  readHostRoutes,
  routeText,
} from '../addressing/read-host.ts'
import { conflictOf } from '../addressing/subnet-conflicts.ts'
import { defaultSubnets } from '../addressing/subnets.ts'
import { type ForeignChain, foreignChains } from '../firewall/foreign-rules.ts'
import { runNft } from '../firewall/nft.ts'
import { NetlinkSocket, rtnetlink } from '../kernel/index.ts'
import { isHeld } from '../ownership/claim.ts'
import { listOwners, type Owner } from '../ownership/owner-file.ts'
import { type HostCheck, look, passed } from './check-result.ts'

export async function checkSurroundings(runDirectory: string): Promise<HostCheck[]> {
  const remedy = 'see the checks before this one'
  const listNetworks = () => listOwners(runDirectory).filter(({ name }) => isHeld(runDirectory, name))
  return [
    await look('way out', { only: 'list the rules of firewalls', remedy }, async () =>
      checkWayOut(await foreignChains()),
    ),
    await look('br_netfilter', { remedy }, checkBridgeNetfilter),
    await look('rp_filter', { remedy }, checkReversePaths),
    await look('subnets', { remedy }, () => {
      using socket = new NetlinkSocket()
      return checkSubnets(readHostRoutes(socket), listNetworks())
    }),
    await look('resolvers', { remedy }, checkResolvers),
    await look('names on the host', { remedy }, () => checkHostNames(listNetworks())),
    await look('other instances', { only: 'list tables', remedy }, () => checkOtherInstances(runDirectory)),
  ]
}

/**
 * Checks whether another firewall drops what networks send out: that outweighs any accept of ours. What can be done
 * politely is done (docker-user.ts); the rest is up to the owner of that firewall.
 */
function checkWayOut(chains: readonly ForeignChain[]): HostCheck {
  const name = 'way out'
  const shut = chains.filter((chain) => chain.shut)
  if (shut.length === 0) return passed(name, 'no other firewall refuses to forward')
  // Docker's chain is before its policy, for the family that it is of.
  const closed = shut.filter(
    ({ table }) => !chains.some((chain) => chain.table === table && chain.name === 'DOCKER-USER'),
  )
  if (closed.length === 0) {
    return passed(
      name,
      'Docker drops what it does not know; a rule in its chain DOCKER-USER lets containers out',
    )
  }
  const [first] = closed as [ForeignChain]
  return {
    name,
    ok: false,
    detail: `the chain ${first.name} of the table ${first.table} drops what is forwarded, so containers do not reach the outside; all else works`,
    remedy: remedyFor(first, chains),
  }
}

function remedyFor({ table }: ForeignChain, chains: readonly ForeignChain[]): string {
  const uplinks = `${uplinkPrefix()}+`
  if (chains.some((chain) => chain.name === 'ufw-user-forward')) return `ufw route allow in on ${uplinks}`
  if (/ firewalld$/.test(table)) {
    return `firewall-cmd --permanent --zone=trusted --add-interface=${uplinks} && firewall-cmd --reload`
  }
  if (/^ip6? filter/.test(table)) {
    const program = `${table.startsWith('ip6') ? 'ip6tables' : 'iptables'}${table.includes('legacy') ? '-legacy' : ''}`
    const replies = '-m conntrack --ctstate ESTABLISHED,RELATED'
    return `${program} -I FORWARD -i ${uplinks} -j ACCEPT; ${program} -I FORWARD -o ${uplinks} ${replies} -j ACCEPT`
  }
  return `let that table accept what comes in by the links ${uplinkPrefix()}*, and replies to it`
}

function checkBridgeNetfilter(): HostCheck {
  const enabled = ['iptables', 'ip6tables', 'arptables'].filter(
    (tables) => read(`bridge/bridge-nf-call-${tables}`) === '1',
  )
  const detail =
    enabled.length === 0
      ? 'off'
      : 'on: what bridges of this host carry passes its firewall too; networks have theirs elsewhere, and switch it off there'
  return passed('br_netfilter', detail)
}

function checkReversePaths(): HostCheck {
  const strict = readdirSync('/proc/sys/net/ipv4/conf').filter(
    (link) => read(`ipv4/conf/${link}/rp_filter`) === '1',
  )
  const detail =
    strict.length === 0
      ? 'not strict'
      : `strict on ${strict.join(', ')}: what networks send has an address of its uplink, and passes`
  return passed('rp_filter', detail)
}

/** Checks the subnets of the networks that there are, and the default ones for those that might be made. */
function checkSubnets({ routes }: HostRoutes, networks: readonly Owner[]): HostCheck {
  const name = 'subnets'
  const foreign = routes.filter(isForeign)
  const meeting = networks.flatMap(({ name: network, description }) => {
    const conflict = description && conflictOf(parseSubnet(description.subnet), foreign)
    return conflict ? [`${network} (${description.subnet}) meets ${routeText(conflict)}`] : []
  })
  if (meeting.length > 0) {
    return {
      name,
      ok: false,
      detail: `networks and routes of this host are in each other’s way: ${meeting.join('; ')}`,
      remedy:
        'make the network anew with another --subnet; until then its containers do not reach what is behind that route',
    }
  }
  const free = defaultSubnets.filter((text) => conflictOf(parseSubnet(text), foreign) === undefined)
  if (free.length > 0)
    return passed(name, `${free.length} of ${defaultSubnets.length} usual subnets are free`)
  return {
    name,
    ok: false,
    detail: `none of the ${defaultSubnets.length} usual subnets is free on this host`,
    remedy: 'choose one: moorage daemon --subnet CIDR',
  }
}

function checkResolvers(): HostCheck {
  const name = 'resolvers'
  const servers = nameserversIn('/etc/resolv.conf')
  if (servers.length > 0) return passed(name, `${servers.join(', ')}, asked by this host for its containers`)
  return {
    name,
    ok: false,
    detail: '/etc/resolv.conf names no server, so containers resolve no names of the outside',
    remedy: 'add a line to /etc/resolv.conf: nameserver ADDRESS',
  }
}

/** Tells people who want the names of services on the host too (F9) how: it is theirs to switch on. */
function checkHostNames(networks: readonly Owner[]): HostCheck {
  const lines = networks.flatMap(({ uplink, description }) =>
    uplink && description
      ? [`resolvectl dns ${uplink} ${description.gateway}; resolvectl domain ${uplink} ~moorage.internal`]
      : [],
  )
  const how = lines.length === 0 ? 'no network is there now; with one, this says how' : lines.join('; or ')
  return passed('names on the host', `off unless you run: ${how}`)
}

/** How long an uplink must have been without a table until it counts as left behind, in milliseconds. */
const settling = 300

/**
 * Looks for what other instances left. A daemon makes its table before uplinks, and removes them the other way round;
 * so a link whose table is gone is nobody's. A table without links may be that of a daemon without networks.
 */
async function checkOtherInstances(runDirectory: string): Promise<HostCheck> {
  const first = await listInstances()
  let orphans = first.orphans
  if (orphans.length > 0) {
    // A living daemon puts its table back when somebody flushes all rules: only what stays without one is nobody's.
    await sleep(settling)
    const again = await listInstances()
    const owned = listOwners(runDirectory).filter(({ name }) => isHeld(runDirectory, name))
    orphans = orphans.filter(
      (link) => again.orphans.includes(link) && !owned.some(({ uplink }) => uplink === link),
    )
  }
  if (orphans.length > 0) {
    return {
      name: 'other instances',
      ok: false,
      detail: `left behind: ${orphans.map((link) => `link ${link}`).join(', ')}`,
      remedy: orphans.map((link) => `ip link del ${link}`).join('; '),
    }
  }
  const { tables, uplinks } = first
  const idle = tables.filter((instance) => !uplinks.some((link) => link.startsWith(uplinkPrefix(instance))))
  const without =
    idle.length === 0
      ? ''
      : `; without a network ${idle.join(', ')} (if its daemon is gone: nft delete table inet moorage_${idle[0]})`
  return passed('other instances', `${tables.length} on this host${without}`)
}

/** Lists the instances that have a table, all uplinks, and those of no such instance. */
async function listInstances(): Promise<{ tables: string[]; uplinks: string[]; orphans: string[] }> {
  using socket = new NetlinkSocket()
  // Links first: a daemon that starts meanwhile has its table before its first link.
  const uplinks = rtnetlink
    .listLinks(socket)
    .map(({ name }) => name)
    .filter((name) => uplinkPattern.test(name))
  const listed = await runNft('list tables\n')
  const tables = [...listed.matchAll(/^table inet moorage_([0-9a-v]{6})$/gm)].map(
    ([, instance]) => instance as string,
  )
  return { tables, uplinks, orphans: uplinks.filter((link) => !tables.includes(link.slice(4, 10))) }
}

/** A name as `uplinkName` makes it. A user's own link may begin with "moor", too. */
const uplinkPattern = /^moor[0-9a-v]{6}u[0-9a-z]{1,4}$/

function read(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${path}`, 'utf8').trim()
  } catch {
    return undefined
  }
}
