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
 * Writes the rules of an instance on the host. They match its uplinks by the beginning of their names, so that they are
 * written once, however many networks come and go. Other tables are left alone, and may refuse what this one accepts.
 */
function hostRuleset(instance: string): string {
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
  ${refusedChain}
}
`
}
