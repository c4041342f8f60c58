import { isIP } from 'node:net'

/** One line of a hosts file, hosts(5). */
export interface HostsLine {
  readonly line: number
  readonly address: string
  readonly names: readonly string[]
}

/** Names that every hosts file has for the machine itself, not for its clients (RFC 6761, 6.3). */
const ownNames = /^(localhost|ip6-.*|broadcasthost)$|(^|\.)localhost(\.localdomain)?$/i

/** @param problem called for each line that is wrong, and skipped */
export function parseHosts(text: string, problem: (line: number, reason: string) => void): HostsLine[] {
  return text.split('\n').flatMap((raw, index) => {
    const [address = '', ...allNames] = raw.replace(/#.*/, '').trim().split(/\s+/)
    const names = allNames.filter((name) => !ownNames.test(name))
    if (address === '' || (names.length === 0 && allNames.length > 0)) return []
    const line = index + 1
    if (isIP(address) !== 0 && !address.includes('%') && names.length > 0) return [{ line, address, names }]
    problem(line, names.length === 0 ? 'an address without a name' : `"${address}" is no address`)
    return []
  })
}
