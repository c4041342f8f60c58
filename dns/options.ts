import type { Clock } from './clock.ts'
import { DnsError } from './errors.ts'
import type { Limits } from './limits.ts'
import type { Listen } from './sockets/listener.ts'
import type { UpstreamChoice } from './upstream/upstream-source.ts'
import { checkTtl } from './wire/record-set.ts'

export interface DnsServerOptions {
  /** The zones to be authoritative for, such as `dev.internal`; aliases are relative to the first. */
  zones: readonly string[]
  /** Subnets (CIDRs) whose PTR records are derived from the zones' addresses. */
  reverse?: readonly string[]
  /** Where to listen; by default nowhere, and `query()` still answers. */
  listen?: readonly Listen[]
  /**
   * Who is asked for what is not known here.
   * @defaultValue `none`
   */
  upstreams?: UpstreamChoice
  /**
   * Domains for which others are asked than `upstreams`: the longest that a name ends with counts. `'none'` keeps a
   * domain from being asked for anywhere.
   */
  routes?: Readonly<Record<string, UpstreamChoice>>
  /** What clients without a view get. @defaultValue `zone` */
  unknownClients?: 'zone' | 'refuse'
  /** Where the system's resolvers are read from, and followed when they change. @defaultValue `/etc/resolv.conf` */
  resolvConf?: string
  /** Seconds that clients may keep what the zones say. @defaultValue 0 */
  ttl?: number
  /** Any of the limits, in place of their defaults. */
  limits?: Partial<Limits>
  /**
   * Called before each message that a socket has brought is answered: the moment to take over changes that another
   * thread has made meanwhile, so that the answer knows them.
   */
  beforeAnswer?: () => void
  /** The time, for tests. */
  clock?: Clock
}

/** @throws DnsError `INVALID_OPTION` */
export function checkOptions({
  ttl = 0,
  upstreams = 'none',
  routes = {},
  unknownClients = 'zone',
}: DnsServerOptions): void {
  checkTtl(ttl, 'INVALID_OPTION')
  for (const [what, choice] of [['upstreams', upstreams], ...Object.entries(routes)] as const) {
    if (choice === 'system' || choice === 'none' || Array.isArray(choice)) continue
    throw new DnsError(
      'INVALID_OPTION',
      `${what}: "${choice}" is neither "system" nor "none" nor a list of addresses`,
    )
  }
  if (unknownClients !== 'zone' && unknownClients !== 'refuse') {
    throw new DnsError('INVALID_OPTION', `unknownClients: "${unknownClients}" is neither "zone" nor "refuse"`)
  }
}
