/** What may pass: the text of the rules inside a network, and of those on the host. */
import { macBytes, macText } from '../addressing/addresses.ts'
import {
  bridgePrefix,
  innerUplinkName,
  networkTable,
  tableName,
  uplinkPrefix,
} from '../addressing/kernel-names.ts'

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
  /** The index of its bridge. */
  bridge: number
}

/** From which sandbox to which, by addresses of one family, the bridge passes on what opens no connection. */
export interface SwitchedPair {
  from: { link: string; address: string; mac: string }
  to: { address: string; mac: string }
}

/** The addresses of a client and of the service it may reach. */
export type Grant = readonly [client: string, service: string]

const isIPv6 = ({ 0: address }: Grant) => address.includes(':')
const elements = (keys: readonly string[]) => (keys.length === 0 ? '' : `elements = { ${keys.join(', ')} }`)

/** What of a family is known to the bridge. */
type Elements = (ipv6: boolean) => string

/** Maps of the bridge's table, and the rules by which it passes on by itself what is for a sandbox. */
interface Switching {
  maps: string
  /** Before the sender is looked at. */
  anybodys: string
  /** When it is known to be who it says. */
  honest: string
}

/** With isolation 'network' nothing is to be decided between two sandboxes, so nothing need go through the IP layer. */
const everything = (macs: Elements): Switching => ({
  maps: `map macs {
    type mark . ipv4_addr : ether_addr
    ${macs(false)}
  }
  map macs6 {
    type mark . ipv6_addr : ether_addr
    ${macs(true)}
  }`,
  anybodys: '',
  honest: `ether daddr set meta mark . ip daddr map @macs accept
    ether daddr set meta mark . ip6 daddr map @macs6 accept`,
})

/**
 * With isolation 'bindings' the IP layer decides who opens a connection, with connection tracking for the way back. What
 * the bridge passes on is TCP that opens none: segments with ACK or RST, which nobody who listens takes for a beginning
 * (RFC 9293, 3.10.7.2). Fragments have no flags. The sender is looked at in the same step, since a step is what costs.
 */
const whatOpensNothing = (pairs: Elements, gatewayMac: string): Switching => ({
  maps: `map switched {
    type ifname . ipv4_addr . ether_addr . ipv4_addr : ether_addr
    ${pairs(false)}
  }
  map switched6 {
    type ifname . ipv6_addr . ether_addr . ipv6_addr : ether_addr
    ${pairs(true)}
  }`,
  anybodys: `ip frag-off & 0x3fff == 0 tcp flags & (ack | rst) != 0 ether daddr ${gatewayMac} \
      ether daddr set iifname . ip saddr . ether saddr . ip daddr map @switched accept
    ip6 nexthdr tcp tcp flags & (ack | rst) != 0 ether daddr ${gatewayMac} \
      ether daddr set iifname . ip6 saddr . ether saddr . ip6 daddr map @switched6 accept`,
  honest: '',
})

/** The rules of a network, inside its namespace; they take the place of what was there, in one transaction. */
export function networkRuleset(
  { subnet, gateway, subnet6, gateway6, isolation }: NetworkRules,
  leases: Iterable<Lease> = [],
  grants: readonly Grant[] = [],
  switched: readonly SwitchedPair[] = [],
): string {
  const addresses = [...leases].flatMap(({ address, address6, ...lease }) =>
    [address, address6].filter((own) => own !== undefined).map((own) => ({ ...lease, own })),
  )
  const of = (ipv6: boolean) => addresses.filter(({ own }) => own.includes(':') === ipv6)
  const own = (ipv6: boolean) =>
    elements(of(ipv6).map((lease) => `"${lease.link}" . ${lease.own} . ${lease.mac} : ${lease.bridge}`))
  const macs = (ipv6: boolean) =>
    elements(of(ipv6).map((lease) => `${lease.bridge} . ${lease.own} : ${lease.mac}`))
  const known = (ipv6: boolean) =>
    elements(
      switched
        .filter(({ to }) => to.address.includes(':') === ipv6)
        .map(({ from, to }) => `"${from.link}" . ${from.address} . ${from.mac} . ${to.address} : ${to.mac}`),
    )
  const gatewayMac = macText(macBytes(gateway))
  const switching = isolation === 'network' ? everything(macs) : whatOpensNothing(known, gatewayMac)
  const pairs = (of: readonly Grant[]) => elements(of.map(([client, service]) => `${client} . ${service}`))
  const ipv6 = (rule: string) => (subnet6 === undefined ? '' : rule)
  const inside = `"${bridgePrefix}*"`
  const up = `"${innerUplinkName}"`
  return `
table bridge ${networkTable}
delete table bridge ${networkTable}
table bridge ${networkTable} {
  # link . address . MAC: what each sandbox may send as. Without it a view of the DNS could be stolen. The mark says on
  # which bridge it is.
  map leases {
    type ifname . ipv4_addr . ether_addr : mark
    ${own(false)}
  }
  map leases6 {
    type ifname . ipv6_addr . ether_addr : mark
    ${own(true)}
  }
  ${switching.maps}
  chain prerouting {
    type filter hook prerouting priority -300; policy drop;
    ${switching.anybodys}
    meta mark set iifname . ip saddr . ether saddr map @leases goto honest
    meta mark set iifname . arp saddr ip . arp saddr ether map @leases goto honest
    meta mark set iifname . ip6 saddr . ether saddr map @leases6 goto honest
  }
  chain honest {
    # Whatever a sandbox sends, it sends to the gateway; what is for all reaches the gateway alone.
    ether daddr != ${gatewayMac} goto others
    ${switching.honest}
    accept
  }
  chain others {
    meta pkttype { broadcast, multicast } accept
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
