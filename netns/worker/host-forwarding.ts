/** Makes the host forward the packets of networks. It is not switched off again. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { HostRoutes } from '../addressing/read-host.ts'

const forwarding = '/proc/sys/net/ipv4/ip_forward'

export function forwardIPv4(): void {
  if (readFileSync(forwarding, 'utf8').trim() !== '1') writeFileSync(forwarding, '1')
}

/**
 * Lets the host forward IPv6, where it has a way out. A host that forwards believes no router any more, and would lose
 * its own default route, unless it is told to go on believing (accept_ra = 2).
 */
export function forwardIPv6({ routes6 }: HostRoutes): void {
  const conf = '/proc/sys/net/ipv6/conf'
  const read = (link: string, name: string) => readFileSync(`${conf}/${link}/${name}`, 'utf8').trim()
  if (!routes6.some(({ length, link }) => length === 0 && link !== undefined && link !== 'lo')) return
  if (read('all', 'forwarding') === '1') return
  for (const link of readdirSync(conf)) {
    if (read(link, 'accept_ra') === '1') writeFileSync(`${conf}/${link}/accept_ra`, '2')
  }
  writeFileSync(`${conf}/all/forwarding`, '1')
}
