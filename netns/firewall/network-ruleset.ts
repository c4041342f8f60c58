/** The rules inside a network's namespace, in nft's language. */
import { macBytes, macText } from '../addressing/addresses.ts'
import { isIPv6Address } from '../addressing/addresses6.ts'
import { bridgePrefix, innerUplinkName, networkTable } from '../addressing/kernel-names.ts'
import { withoutNested } from '../addressing/subnet-conflicts.ts'
import { refuseMetadata } from './metadata-addresses.ts'
import { refusedChain } from './refused-chain.ts'

/** Decides who may open connections inside a network: everybody, or only those who were granted it. */
export type Isolation = 'network' | 'bindings'

export interface NetworkRules {
  subnet: string
  gateway: string
  subnet6?: string | undefined
  gateway6?: string | undefined
  isolation: Isolation
}

/**
 * The host as a network's own rules know it, so that isolation does not hang on the host's table alone, which anybody
 * may flush.
 */
export interface HostSide {
  /** The addresses of the host's end of the uplink: who comes from another one is not the host itself. */
  end: string
  end6?: string | undefined
  /** The subnets that the ends of all uplinks are from. */
  uplinks: string
  uplinks6: string
  /** Subnets and addresses with the length of their prefix that the host delivers to itself. */
  own: readonly string[]
  own6: readonly string[]
}

/** A sandbox as the firewall knows it: the link, the MAC and the addresses that it may send with. */
export interface Sender {
  link: string
  address: string
  mac: string
  address6?: string | undefined
  /** The index of its bridge. */
  bridge: number
}

/** Two sandboxes, by addresses of one family, from one to the other of which the bridge passes on open connections. */
export interface SwitchedPair {
  from: { link: string; address: string; mac: string }
  to: { address: string; mac: string }
}

/** The addresses of a client and of the service it may reach. */
export type Grant = readonly [client: string, service: string]

const elements = (keys: readonly string[]) => (keys.length === 0 ? '' : `elements = { ${keys.join(', ')} }`)

/** Writes the elements of a set or a map, those of one family. */
type Elements = (ipv6: boolean) => string

/** The maps of the bridge's table, and the rules by which the bridge itself passes on frames for a sandbox. */
interface Switching {
  maps: string
  /** Rules that come before the check of the sender. */
  unchecked: string
  /** Rules for frames whose sender is who it says. */
  checked: string
}

/**
 * With isolation 'network' there is nothing to decide between two sandboxes, so nothing need go through the IP layer.
 */
const switchAll = (macs: Elements): Switching => ({
  maps: `map macs {
    type mark . ipv4_addr : ether_addr
    ${macs(false)}
  }
  map macs6 {
    type mark . ipv6_addr : ether_addr
    ${macs(true)}
  }`,
  unchecked: '',
  checked: `ether daddr set meta mark . ip daddr map @macs accept
    ether daddr set meta mark . ip6 daddr map @macs6 accept`,
})

/**
 * With isolation 'bindings' the IP layer decides who opens a connection, with connection tracking for the way back. The
 * bridge passes on TCP that opens none: segments with ACK or RST, which no listener takes for a beginning (RFC 9293,
 * 3.10.7.2). Fragments have no flags. The sender is checked in the same step, since a step is what costs.
 */
const switchOpenConnections = (pairs: Elements, gatewayMac: string): Switching => ({
  maps: `map switched {
    type ifname . ipv4_addr . ether_addr . ipv4_addr : ether_addr
    ${pairs(false)}
  }
  map switched6 {
    type ifname . ipv6_addr . ether_addr . ipv6_addr : ether_addr
    ${pairs(true)}
  }`,
  unchecked: `ip frag-off & 0x3fff == 0 tcp flags & (ack | rst) != 0 ether daddr ${gatewayMac} \
      ether daddr set iifname . ip saddr . ether saddr . ip daddr map @switched accept
    ip6 nexthdr tcp tcp flags & (ack | rst) != 0 ether daddr ${gatewayMac} \
      ether daddr set iifname . ip6 saddr . ether saddr . ip6 daddr map @switched6 accept`,
  checked: '',
})

const hostSets = { ipv4: 'host', ipv6: 'host6' } as const

/** Writes the change of what the host delivers to itself, in one transaction. */
export function hostChange({ own, own6, uplinks, uplinks6 }: HostSide): string {
  const change = (set: string, addresses: readonly string[]) =>
    `flush set inet ${networkTable} ${set}\nadd element inet ${networkTable} ${set} { ${addresses.join(', ')} }\n`
  return (
    change(hostSets.ipv4, refusedAddresses(own, uplinks)) +
    change(hostSets.ipv6, refusedAddresses(own6, uplinks6))
  )
}

const refusedAddresses = (own: readonly string[], uplinks: string) => withoutNested([...own, uplinks])

/** Writes the rules of a network; they take the place of those that were there, in one transaction. */
export function networkRuleset(
  { subnet, gateway, subnet6, gateway6, isolation }: NetworkRules,
  host: HostSide,
  senders: Iterable<Sender> = [],
  grants: readonly Grant[] = [],
  switched: readonly SwitchedPair[] = [],
): string {
  const identities = [...senders].flatMap(({ address, address6, ...sender }) =>
    [address, address6].filter((own) => own !== undefined).map((own) => ({ ...sender, own })),
  )
  const identitiesOf = (ipv6: boolean) => identities.filter(({ own }) => isIPv6Address(own) === ipv6)
  const leaseElements = (ipv6: boolean) =>
    elements(
      identitiesOf(ipv6).map(({ link, own, mac, bridge }) => `"${link}" . ${own} . ${mac} : ${bridge}`),
    )
  const macElements = (ipv6: boolean) =>
    elements(identitiesOf(ipv6).map(({ bridge, own, mac }) => `${bridge} . ${own} : ${mac}`))
  const switchedElements = (ipv6: boolean) =>
    elements(
      switched
        .filter(({ to }) => isIPv6Address(to.address) === ipv6)
        .map(({ from, to }) => `"${from.link}" . ${from.address} . ${from.mac} . ${to.address} : ${to.mac}`),
    )
  const grantElements = (ipv6: boolean) =>
    elements(
      grants
        .filter(([client]) => isIPv6Address(client) === ipv6)
        .map(([client, service]) => `${client} . ${service}`),
    )
  const gatewayMac = macText(macBytes(gateway))
  const switching =
    isolation === 'network' ? switchAll(macElements) : switchOpenConnections(switchedElements, gatewayMac)
  const ipv6 = (rule: string) => (subnet6 === undefined ? '' : rule)
  const inside = `"${bridgePrefix}*"`
  const up = `"${innerUplinkName}"`
  // The host's own rules refuse them first, as long as nobody flushes those.
  const strangers = `# Only the host itself opens a way in: no other network, and no neighbour of the host.
    iifname ${up} meta nfproto ipv4 ip saddr != ${host.end} goto refused
    iifname ${up} meta nfproto ipv6 ${host.end6 === undefined ? '' : `ip6 saddr != ${host.end6} `}goto refused`
  return `
table bridge ${networkTable}
delete table bridge ${networkTable}
table bridge ${networkTable} {
  # link . address . MAC: what each sandbox may send as. Without it a view of the DNS could be stolen. The mark says on
  # which bridge it is.
  map leases {
    type ifname . ipv4_addr . ether_addr : mark
    ${leaseElements(false)}
  }
  map leases6 {
    type ifname . ipv6_addr . ether_addr : mark
    ${leaseElements(true)}
  }
  ${switching.maps}
  chain prerouting {
    type filter hook prerouting priority -300; policy drop;
    ${switching.unchecked}
    meta mark set iifname . ip saddr . ether saddr map @leases goto honest
    meta mark set iifname . arp saddr ip . arp saddr ether map @leases goto honest
    meta mark set iifname . ip6 saddr . ether saddr map @leases6 goto honest
  }
  chain honest {
    # Whatever a sandbox sends, it sends to the gateway; what is for all reaches the gateway alone.
    ether daddr != ${gatewayMac} goto others
    ${switching.checked}
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
    ${grantElements(false)}
  }
  set grants6 {
    type ipv6_addr . ipv6_addr
    ${grantElements(true)}
  }
  # What the host delivers to itself.
  set ${hostSets.ipv4} {
    type ipv4_addr
    flags interval
    ${elements(refusedAddresses(host.own, host.uplinks))}
  }
  set ${hostSets.ipv6} {
    type ipv6_addr
    flags interval
    ${elements(refusedAddresses(host.own6, host.uplinks6))}
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    ${strangers}
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
    oifname ${up} ip daddr @${hostSets.ipv4} goto refused
    ${ipv6(`oifname ${up} ip6 daddr @${hostSets.ipv6} goto refused`)}
    iifname ${inside} oifname ${up} accept
    ${strangers}
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
  ${refusedChain}
}
`
}
