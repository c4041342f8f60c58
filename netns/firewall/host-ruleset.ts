/** An instance's nft table on the host. */
import { tableName, uplinkPrefix } from '../addressing/kernel-names.ts'
import { NetnsError } from '../kernel/index.ts'
import { refuseMetadata } from './metadata-addresses.ts'
import { runNft } from './nft.ts'
import { refusedChain } from './refused-chain.ts'

/** Makes the table, in the place of one that is there already. */
export async function makeHostTable(instance: string): Promise<void> {
  await runNft(hostRuleset(instance))
}

/** Removes the table; false when it was not there. */
export async function removeHostTable(instance: string): Promise<boolean> {
  try {
    await runNft(`delete table inet ${tableName(instance)}\n`)
    return true
  } catch (error) {
    if (error instanceof NetnsError && error.message.includes('No such file or directory')) return false
    throw error
  }
}

/**
 * The label in connection tracking of what these rules admitted; without it a connection is not taken for established.
 * So what began while somebody had flushed the table ends when the table is back. A label and no mark: marks of
 * connections belong to VPNs and load balancers, which overwrite them whole.
 */
const admittedLabel = 109

/**
 * Writes the rules of an instance on the host. They match its uplinks by the beginning of their names, so that they are
 * written once, however many networks come and go. Other tables are left alone, and may refuse what this one accepts.
 */
function hostRuleset(instance: string): string {
  const mine = `"${uplinkPrefix(instance)}*"`
  const anybodys = `"${uplinkPrefix()}*"`
  const table = tableName(instance)
  const admitted = `ct label ${admittedLabel}`
  return `
table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname != ${mine} accept
    ${admitted} ct direction reply ct state established,related accept
    goto refused
  }
  chain output {
    type filter hook output priority filter - 10; policy accept;
    oifname != ${mine} accept
    ct state != new accept
    # The middle of a connection that this table did not see begin is no beginning: it may be an answer of the host's.
    meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn accept
    ct label set ${admittedLabel}
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    # Both ways: the way out may be narrower than the uplink was made for, when a VPN comes up.
    iifname ${mine} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    oifname ${mine} tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    ${admitted} ct state established,related accept
    # Neither from another network nor from a neighbour of this host: only the host itself opens a way in.
    oifname ${mine} goto refused
    iifname != ${mine} accept
    oifname ${anybodys} goto refused
    # A port that the host publishes (Docker does) is an address of the host, wherever it leads.
    ct status dnat goto refused${refuseMetadata}
    ct label set ${admittedLabel}
    ${admitted} accept
    # It began while this table was not there, so that nobody gave it an address that answers find.
    goto refused
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    # A network must see who it is that comes from another one, should the chain above be missing.
    iifname ${mine} oifname != ${anybodys} masquerade
  }
  ${refusedChain}
}
`
}
