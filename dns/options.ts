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
  /** The addresses or sockets to listen on; by default none, and `query()` still answers. */
  listen?: readonly Listen[]
  /**
   * The resolvers to ask for names that are not known here.
   * @defaultValue `none`
   */
  upstreams?: UpstreamChoice
  /**
   * Domains with upstreams of their own, in place of `upstreams`: the longest domain that a name ends with counts.
   * `'none'` keeps a domain from being asked for anywhere.
   */
  routes?: Readonly<Record<string, UpstreamChoice>>
  /**
   * True if a name of one label, which is no alias of the client, stands for the name of the first zone: `db` for
   * `db.dev.internal`. Like an alias of one label it owns what is below it, which is never asked elsewhere.
   * @defaultValue false
   */
  shortNames?: boolean
  /** Clients without a view see the zones, or are refused. @defaultValue `zone` */
  unknownClients?: 'zone' | 'refuse'
  /** The file with the system's resolvers, which is followed when it changes. @defaultValue `/etc/resolv.conf` */
  resolvConf?: string
  /** Seconds that clients may keep answers from the zones. @defaultValue 0 */
  ttl?: number
  /** Any of the limits, in place of their defaults. */
  limits?: Partial<Limits>
  /**
   * Called for each message that a socket has received, before it is answered: the moment to take over changes that
   * another thread has made meanwhile, so that the answer shows them.
   */
  beforeAnswer?: () => void
  /** Replaces the machine's clock in tests. */
  clock?: Clock
}

/** @throws DnsError `INVALID_OPTION` */
export function checkOptions({
  zones,
  ttl = 0,
  upstreams = 'none',
  routes = {},
  unknownClients = 'zone',
}: DnsServerOptions): void {
  if (!Array.isArray(zones) || zones.length === 0 || zones.some((zone) => typeof zone !== 'string')) {
    throw new DnsError(
      'INVALID_OPTION',
      "zones: a server needs a list of at least one zone, such as ['dev.internal']",
    )
  }
  checkTtl(ttl, 'INVALID_OPTION')
  for (const [option, choice] of [['upstreams', upstreams], ...Object.entries(routes)] as const) {
    if (choice === 'system' || choice === 'none' || Array.isArray(choice)) continue
    throw new DnsError(
      'INVALID_OPTION',
      `${option}: "${choice}" is neither "system" nor "none" nor a list of addresses`,
    )
  }
  if (unknownClients !== 'zone' && unknownClients !== 'refuse') {
    throw new DnsError('INVALID_OPTION', `unknownClients: "${unknownClients}" is neither "zone" nor "refuse"`)
  }
}
