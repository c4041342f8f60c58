/** What may pass: the text of the rules inside a network, and of those on the host. */
import { bridgePrefix, innerUplinkName, networkTable, tableName, uplinkPrefix } from './names.ts'

/**
 * Refused at once, never dropped in silence. For TCP by a reset: of ICMP errors the kernel sends few to one place in a
 * second, and one that arrives while connect() still holds the socket is lost, which between two namespaces of one
 * machine is the rule. The connection would hang until its SYN is sent again.
 */
const refuse = `
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited`

/** Where clouds tell a machine its secrets, besides 169.254.0.0/16: Alibaba, Azure; Amazon and Google by IPv6. */
const metadata = { ipv4: '100.100.100.200, 168.63.129.16', ipv6: 'fd00:ec2::254, fd20:ce::254' }

const refuseMetadata = `
    ip daddr { 169.254.0.0/16, ${metadata.ipv4} } goto refused
    ip6 daddr { fe80::/10, ${metadata.ipv6} } goto refused`

/** Who may open connections inside a network: everybody, or who was granted it. */
export type Isolation = 'network' | 'bindings'

export interface NetworkRules {
  subnet: string
  gateway: string
  subnet6?: string | undefined
  gateway6?: string | undefined
  isolation: Isolation
}

/** One sandbox, as the sets have it. */
export interface Lease {
  link: string
  address: string
  mac: string
  address6?: string | undefined
}

/** The addresses of a client and of the service it may reach. */
export type Grant = readonly [client: string, service: string]

const isIPv6 = ({ 0: address }: Grant) => address.includes(':')
const elements = (keys: readonly string[]) => (keys.length === 0 ? '' : `elements = { ${keys.join(', ')} }`)

/** The rules of a network, inside its namespace; they take the place of what was there, in one transaction. */
export function networkRuleset(
  { subnet, gateway, subnet6, gateway6, isolation }: NetworkRules,
  leases: Iterable<Lease> = [],
  grants: readonly Grant[] = [],
): string {
  const all = [...leases]
  const own = all.map(({ link, address, mac }) => `"${link}" . ${address} . ${mac}`)
  const own6 = all.flatMap(({ link, address6, mac }) =>
    address6 ? [`"${link}" . ${address6} . ${mac}`] : [],
  )
  const pairs = (of: readonly Grant[]) => elements(of.map(([client, service]) => `${client} . ${service}`))
  const ipv6 = (rule: string) => (subnet6 === undefined ? '' : rule)
  const inside = `"${bridgePrefix}*"`
  const up = `"${innerUplinkName}"`
  return `
table bridge ${networkTable}
delete table bridge ${networkTable}
table bridge ${networkTable} {
  # link . address . MAC: what each sandbox may send as. Without it a view of the DNS could be stolen.
  set leases {
    type ifname . ipv4_addr . ether_addr
    ${elements(own)}
  }
  set leases6 {
    type ifname . ipv6_addr . ether_addr
    ${elements(own6)}
  }
  chain prerouting {
    type filter hook prerouting priority -300; policy drop;
    iifname . ip saddr . ether saddr @leases accept
    iifname . arp saddr ip . arp saddr ether @leases accept
    iifname . ip6 saddr . ether saddr @leases6 accept
  }
}
table inet ${networkTable}
delete table inet ${networkTable}
table inet ${networkTable} {
  # client . service
  set grants {
    type ipv4_addr . ipv4_addr
    ${pairs(grants.filter((grant) => !isIPv6(grant)))}
  }
  set grants6 {
    type ipv6_addr . ipv6_addr
    ${pairs(grants.filter(isIPv6))}
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 accept
    ip daddr ${gateway} icmp type echo-request accept
    ${ipv6(`ip6 daddr ${gateway6} meta l4proto { tcp, udp } th dport 53 accept
    ip6 daddr ${gateway6} icmpv6 type echo-request accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept`)}
    goto refused
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    ${
      isolation === 'bindings'
        ? `# Before what is established: what is revoked ends at once, in the middle of a connection too.
    iifname ${inside} oifname ${inside} goto between`
        : ''
    }
    ct state established,related accept
    iifname ${inside} oifname ${inside} accept
    # Each sandbox has a route of its own, so this address nobody has; the host would send it back.
    oifname ${up} ip daddr ${subnet} goto refused
    ${ipv6(`oifname ${up} ip6 daddr ${subnet6} goto refused`)}${refuseMetadata}
    iifname ${inside} oifname ${up} accept
    iifname ${up} oifname ${inside} accept
    goto refused
  }
  chain between {
    ip saddr . ip daddr @grants accept
    ip6 saddr . ip6 daddr @grants6 accept
    # The way back, and only that: a service does not open connections to its clients.
    ct direction reply ct state established,related ip daddr . ip saddr @grants accept
    ct direction reply ct state established,related ip6 daddr . ip6 saddr @grants6 accept
    goto refused
  }
  chain output {
    type filter hook output priority filter; policy accept;
    oifname ${up} ip daddr ${subnet} goto refused
    ${ipv6(`oifname ${up} ip6 daddr ${subnet6} goto refused`)}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname ${up} ip saddr ${subnet} masquerade
    ${ipv6(`oifname ${up} ip6 saddr ${subnet6} masquerade`)}
  }
  chain refused {${refuse}
  }
}
`
}

/**
 * The rules of an instance on the host. They match its uplinks by the beginning of their names, so that they are
 * written once, however many networks come and go. Other tables are left alone, and may refuse what this one accepts.
 */
export function hostRuleset(instance: string): string {
  const mine = `"${uplinkPrefix(instance)}*"`
  const anybodys = `"${uplinkPrefix()}*"`
  const table = tableName(instance)
  return `
table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname != ${mine} accept
    ct state established,related accept
    goto refused
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    # Both ways: the way out may be narrower than the uplink was made for, when a VPN comes up.
    iifname ${mine} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    oifname ${mine} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    ct state established,related accept
    # Neither from another network nor from a neighbour of this host: only the host itself opens a way in.
    oifname ${mine} goto refused
    iifname != ${mine} accept
    oifname ${anybodys} goto refused
    # A port that the host publishes (Docker does) is an address of the host, wherever it leads.
    ct status dnat goto refused${refuseMetadata}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname ${mine} masquerade
  }
  chain refused {${refuse}
  }
}
`
}
