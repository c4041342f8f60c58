import type { Command } from 'commander'
import type { DnsServer, DnsServerOptions } from '../../../dns/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { firstSignal } from '../first-signal.ts'
import { collect } from '../options/collect.ts'
import { listenOf, recordOf, upstreamsOf, viewOf } from '../options/dns-options.ts'
import { queryPrinter } from '../printing/query-printer.ts'

interface ServeFlags {
  zone: string[]
  listen: string[]
  record?: string[]
  view?: string[]
  hosts?: string[]
  upstream?: string[]
  reverse?: string[]
  ttl?: string
  refuseUnknown?: boolean
}

/** `moorage dns serve`: the DNS server alone; no daemon, no network, no root but for a port below 1024. */
export function configure(command: Command): void {
  command
    .requiredOption(
      '--zone <ZONE>',
      'a zone to be authoritative for; the first is the one of short names',
      collect,
    )
    .requiredOption('--listen <ADDRESS:PORT>', 'where to listen, over UDP and TCP', collect)
    .option(
      '--record <NAME=IP>',
      'an address of a name, which is in the first zone or ends with its zone',
      collect,
    )
    .option('--view <CLIENT/ALIAS=NAME>', 'what one client, or a subnet, sees besides', collect)
    .option('--hosts <FILE>', 'a hosts file, followed when it changes', collect)
    .option(
      '--upstream <ADDRESS>',
      'whom to ask for the rest: system, ADDRESS[:PORT], or DOMAIN=ADDRESS',
      collect,
    )
    .option('--reverse <CIDR>', 'a subnet whose reverse names are answered', collect)
    .option('--ttl <SECONDS>', 'how long its answers may be kept (0)')
    .option('--refuse-unknown', 'answer only clients that have a view')
    .action(action(serve, { ownSignals: true }))
}

async function serve(
  { terminal }: CommandContext,
  _operands: readonly never[],
  flags: ServeFlags,
): Promise<void> {
  const ended = firstSignal()
  const { DnsError, createDnsServer, followHosts } = await import('../../../dns/index.ts')
  const options = optionsOf(flags)
  try {
    await using dns = await createDnsServer(options)
    dns.on('error', ({ message }) => terminal.complain(`moorage: ${message}`))
    const names = fillZones(dns, flags)
    using _hosts = followHosts(dns, flags.hosts ?? [], {
      except: names,
      problem: (what) => terminal.complain(`moorage: ${what}`),
      failed: ({ message }) => terminal.complain(`moorage: ${message}`),
    })
    using _queries = queryPrinter(dns, terminal)
    if (terminal.json)
      await terminal.document(
        { type: 'listening', pid: process.pid, addresses: dns.addresses },
        { line: true },
      )
    else {
      const where = dns.addresses.map(({ address, port }) => `${address} port ${port}`).join(', ')
      terminal.talk(`moorage: the DNS server listens on ${where}`)
    }
    await ended
  } catch (error) {
    if (!(error instanceof DnsError)) throw error
    if (error.code === 'ADDRESS_IN_USE' || error.code === 'LISTEN_FAILED')
      throw new MoorageError('DNS_FAILED', { reason: error.message }, { cause: error })
    throw new MoorageError('INVALID_OPTION', { option: 'dns serve', reason: error.message }, { cause: error })
  }
}

function optionsOf({
  zone,
  listen,
  upstream = [],
  reverse = [],
  ttl,
  refuseUnknown,
}: ServeFlags): DnsServerOptions {
  const seconds = Number(ttl ?? 0)
  if (!Number.isInteger(seconds)) {
    throw new MoorageError('INVALID_OPTION', { option: '--ttl', reason: `"${ttl}" is no number of seconds` })
  }
  return {
    zones: zone,
    listen: listen.map(listenOf),
    reverse,
    ttl: seconds,
    unknownClients: refuseUnknown ? 'refuse' : 'zone',
    ...upstreamsOf(upstream),
  }
}

/** Sets the records and views of the command line; returns the names of all records, which hosts files must not change. */
function fillZones(dns: DnsServer, { zone, record = [], view = [] }: ServeFlags): Set<string> {
  const first = dns.zone(zone[0] as string)
  const complete = (name: string) => completeName(name, dns.zones)
  const addresses = Map.groupBy(record.map(recordOf), ({ name }) => complete(name.toLowerCase()))
  const aliases = Map.groupBy(view.map(viewOf), ({ client }) => client)
  dns.update((tx) => {
    for (const [name, records] of addresses) {
      const zone = zoneOf(name, dns, first.name)
      tx.zone(zone).set(
        name,
        records.map(({ address }) => address),
      )
    }
    for (const [client, views] of aliases) {
      tx.views.set(client, Object.fromEntries(views.map(({ alias, name }) => [alias, complete(name)])))
    }
  })
  return new Set(dns.zones.flatMap((name) => [...dns.zone(name).records()].map((record) => record.name)))
}

/**
 * Completes a name, with a dot at its end: one that ends with a zone is complete, as in hosts files; any other is
 * relative to the first zone.
 */
function completeName(name: string, zones: readonly string[]): string {
  const [first = '.'] = zones
  if (name.endsWith('.')) return name
  if (name === '@') return first === '.' ? first : `${first}.`
  const lower = name.toLowerCase()
  const inZone = zones.some((zone) => zone === '.' || lower === zone || lower.endsWith(`.${zone}`))
  return inZone ? `${name}.` : `${name}.${first}.`
}

/** Returns the zone of a complete name: the longest that it ends with, else the first, which refuses it. */
function zoneOf(name: string, dns: DnsServer, first: string): string {
  const zones = dns.zones.filter((zone) => zone === '.' || `.${name}`.toLowerCase().endsWith(`.${zone}.`))
  return zones.sort((a, b) => b.length - a.length)[0] ?? first
}
