import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes the host.conf (host.conf(5)) of a network's members, and returns its path. Without `multi on` glibc takes the
 * first line of /etc/hosts for a name, which is that of IPv4, and never sees the one of IPv6.
 *
 * @param directory - where the network's hosts files are
 */
export function writeHostConf(directory: string): string {
  const path = join(directory, 'host.conf')
  writeFileSync(path, 'multi on\n')
  return path
}
