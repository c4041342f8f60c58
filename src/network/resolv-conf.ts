import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes the resolv.conf of a network's members, and returns its path. It has one nameserver, since musl asks all of them
 * at once, and no search list, which leaks names and slows every lookup.
 *
 * @param directory - where the network's hosts files are
 * @param gateway - the address at which the network's DNS server listens
 */
export function writeResolvConf(directory: string, gateway: string): string {
  const path = join(directory, 'resolv.conf')
  writeFileSync(path, `nameserver ${gateway}\noptions ndots:0\n`)
  return path
}
