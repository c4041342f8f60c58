import { isIP } from 'node:net'

/** One line of a hosts file, hosts(5). */
export interface HostsLine {
  readonly line: number
  readonly address: string
  readonly names: readonly string[]
}

/** What every hosts file says of the machine itself: not for others (RFC 6761, 6.3). */
const ownNames = /^(localhost|ip6-.*|broadcasthost)$|(^|\.)localhost(\.localdomain)?$/i

/** @param problem is told of lines that mean nothing */
export function parseHosts(text: string, problem: (line: number, what: string) => void): HostsLine[] {
  return text.split('\n').flatMap((raw, index) => {
    const [address = '', ...all] = raw.replace(/#.*/, '').trim().split(/\s+/)
    const names = all.filter((name) => !ownNames.test(name))
    if (address === '' || (names.length === 0 && all.length > 0)) return []
    const line = index + 1
    if (isIP(address) !== 0 && !address.includes('%') && names.length > 0) return [{ line, address, names }]
    problem(line, names.length === 0 ? 'an address without a name' : `"${address}" is no address`)
    return []
  })
}
