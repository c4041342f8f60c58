import { createDnsServer, type DnsAnswer, type DnsServer } from '../../dns/index.ts'
import type { Network } from '../../netns/index.ts'
import { applyChanges, type DnsChange } from './dns-change.ts'
import type { AnswerOptions, DnsThread } from './dns-thread.ts'

/** A record that DNS holds: `view` is `zone`, or the address of the client whose alias it is. */
export interface NetworkRecord {
  name: string
  type: 'A' | 'AAAA' | 'CNAME'
  value: string
  view: string
}

/**
 * The names that a network's members can resolve. There are two copies: one here, which this process asks, and one in
 * the thread that answers the members. A change goes to both before the call returns.
 */
export interface NetworkDns extends AsyncDisposable {
  /** @throws DnsError; nothing is changed then */
  change(changes: readonly DnsChange[]): void
  query(name: string, type: string, options: { as?: string; signal?: AbortSignal }): Promise<DnsAnswer>
  records(): NetworkRecord[]
}

export async function openNetworkDns(
  network: Network,
  thread: DnsThread,
  { zone, upstreams }: Pick<AnswerOptions, 'zone' | 'upstreams'>,
): Promise<NetworkDns> {
  await using undo = new AsyncDisposableStack()
  const subnets = [network.subnet, ...(network.subnet6 === undefined ? [] : [network.subnet6])]
  // First, since it checks the options.
  const dns = await createDnsServer({ zones: [zone], reverse: subnets, upstreams, shortNames: true })
  undo.defer(() => dns.close())
  const { namespace, gateway } = network
  const answering = await thread.answer({ zone, reverse: subnets, upstreams, namespace, gateway })
  undo.defer(() => answering.close())
  const change = (changes: readonly DnsChange[]) => {
    applyChanges(dns, zone, changes)
    answering.change(changes)
  }
  // A client without a view of its own, such as a sandbox that is no member, sees no names either.
  if (network.isolation === 'bindings') {
    change(subnets.map((client) => ({ kind: 'view', client, aliases: {}, only: [] })))
  }
  const servers = undo.move()
  return {
    change,
    query: (name, type, options) => dns.query(name, type, options),
    records: () => recordsOf(dns, zone),
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  }
}

function recordsOf(dns: DnsServer, zone: string): NetworkRecord[] {
  const names = [...dns.zone(zone).entries()].flatMap(([name, addresses]) =>
    addresses.map((value) => ({
      name: `${name}.${zone}`,
      type: value.includes(':') ? ('AAAA' as const) : ('A' as const),
      value,
      view: 'zone',
    })),
  )
  const aliases = [...dns.views.entries()].flatMap(([client, view]) =>
    Object.entries(view).map(([alias, target]) => ({
      name: alias,
      type: 'CNAME' as const,
      value: `${target}.${zone}`,
      view: client,
    })),
  )
  return [...names, ...aliases]
}
