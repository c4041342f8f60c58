/** Finds the other firewalls of this host, and whether they drop what it forwards. */

import { uplinkPrefix } from '../addressing/kernel-names.ts'
import { inLegacyUse, listChain } from './iptables.ts'
import { runNft } from './nft.ts'

/** Somebody else's chain, of either kind of rules (nf_tables or the older one). */
export interface ForeignChain {
  /** `ip filter`, or `ip filter (legacy)`. */
  table: string
  name: string
  /** It drops all forwarded packets that no rule of its own accepts. */
  shut: boolean
}

/** Lists the chains of all tables but ours. @throws NetnsError `NFT_FAILED` where they cannot be listed */
export async function foreignChains(): Promise<ForeignChain[]> {
  const listed = await runNft('list chains\n')
  const chains = listed.split(/^table /m).flatMap((part) => {
    const [head = '', ...lines] = part.split('\n')
    const table = head.replace(/\s*\{.*$/, '')
    if (table === '' || /^inet moorage_/.test(table)) return []
    return chainsOf(table, lines)
  })
  for (const chain of chains.filter(({ shut }) => shut)) {
    const program = { 'ip filter': 'iptables', 'ip6 filter': 'ip6tables' }[chain.table]
    if (program !== undefined) chain.shut = !(await letsOut(program))
  }
  for (const [family, program] of [
    ['ip', 'iptables-legacy'],
    ['ip6', 'ip6tables-legacy'],
  ] as const) {
    if (!inLegacyUse(family)) continue
    for (const name of ['FORWARD', 'DOCKER-USER', 'ufw-user-forward']) {
      const rules = await listChain(program, name)
      if (rules === undefined) continue
      const shut = rules[0] === '-P FORWARD DROP' && !(await letsOut(program))
      chains.push({ table: `${family} filter (legacy)`, name, shut })
    }
  }
  return chains
}

/** Tells whether the rules have an accept for uplinks, as our remedy advises. */
async function letsOut(program: string): Promise<boolean> {
  const rules = (await listChain(program)) ?? []
  return rules.some((rule) => rule.includes(`-i ${uplinkPrefix()}+ `) && rule.endsWith('-j ACCEPT'))
}

function chainsOf(table: string, lines: readonly string[]): ForeignChain[] {
  const chains: ForeignChain[] = []
  for (const line of lines) {
    const name = /^\tchain (\S+) \{/.exec(line)?.[1]
    if (name !== undefined) chains.push({ table, name, shut: false })
    const last = chains.at(-1)
    if (last !== undefined && /hook forward .*policy drop;/.test(line)) last.shut = true
  }
  return chains
}
