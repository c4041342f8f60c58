import type { Clock } from './clock.ts'
import { DnsError } from './errors.ts'
import type { Limits } from './limits.ts'
import type { Listen } from './listen.ts'

export interface DnsServerOptions {
  /** The zones to be authoritative for, such as `dev.internal`; aliases are relative to the first. */
  zones: readonly string[]
  /** Subnets (CIDRs) whose PTR records are derived from the zones' addresses. */
  reverse?: readonly string[]
  /** Where to listen; by default nowhere, and `query()` still answers. */
  listen?: readonly Listen[]
  /**
   * Who is asked for what is not known here: the system's resolvers, nobody, or these (`addr` or `addr:port`).
   * @defaultValue `none`
   */
  upstreams?: 'system' | 'none' | readonly string[]
  /** What clients without a view get. @defaultValue `zone` */
  unknownClients?: 'zone' | 'refuse'
  /** Where the system's resolvers are read from, and followed when they change. @defaultValue `/etc/resolv.conf` */
  resolvConf?: string
  /** Seconds that clients may keep what the zones say. @defaultValue 0 */
  ttl?: number
  /** Any of the limits, in place of their defaults. */
  limits?: Partial<Limits>
  /** The time, for tests. */
  clock?: Clock
}

/** RFC 2181, 8. */
const longestTtl = 2 ** 31 - 1

/** @throws DnsError `INVALID_OPTION` */
export function checkOptions({
  ttl = 0,
  upstreams = 'system',
  unknownClients = 'zone',
}: DnsServerOptions): void {
  if (!Number.isInteger(ttl) || ttl < 0 || ttl > longestTtl) {
    throw new DnsError('INVALID_OPTION', `ttl: ${ttl} is not a number of seconds between 0 and ${longestTtl}`)
  }
  if (upstreams !== 'system' && upstreams !== 'none' && !Array.isArray(upstreams)) {
    throw new DnsError(
      'INVALID_OPTION',
      `upstreams: "${upstreams}" is neither "system" nor "none" nor a list of addresses`,
    )
  }
  if (unknownClients !== 'zone' && unknownClients !== 'refuse') {
    throw new DnsError('INVALID_OPTION', `unknownClients: "${unknownClients}" is neither "zone" nor "refuse"`)
  }
}
