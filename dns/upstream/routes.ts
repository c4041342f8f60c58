import type { Endpoint } from '../wire/address.ts'
import { hashName, wireName } from '../wire/name.ts'
import { NameMap } from '../wire/name-map.ts'
import type { Upstream } from './upstream.ts'
import { type UpstreamChoice, upstreamSource } from './upstream-source.ts'

/** Whom to ask for which names: the longest domain that a name ends with counts, else what holds for all. */
export interface Routes {
  /** Whether anybody at all is asked for some name. */
  readonly recursion: boolean
  /** Whether somebody is asked for a name in wire form. */
  asks(octets: Uint8Array, start: number, length: number): boolean
  /** Whom to ask for it, in this order. */
  upstreamsFor(octets: Uint8Array, start: number, length: number): readonly Upstream[]
}

interface Route {
  readonly asks: boolean
  readonly upstreams: () => readonly Upstream[]
}

/** @throws DnsError `INVALID_OPTION` for an upstream that is none, `INVALID_NAME` for a domain that is none */
export function createRoutes(
  everything: UpstreamChoice,
  domains: Readonly<Record<string, UpstreamChoice>>,
  resolvConf: string,
  listeners: readonly Endpoint[],
): Routes {
  const route = (choice: UpstreamChoice): Route => ({
    asks: choice !== 'none',
    upstreams: upstreamSource(choice, resolvConf, listeners),
  })
  const rest = route(everything)
  const table = new NameMap<Route>()
  let recursion = rest.asks
  for (const [domain, choice] of Object.entries(domains)) {
    table.set(wireName(domain), route(choice))
    recursion ||= choice !== 'none'
  }
  const find = (octets: Uint8Array, start: number, length: number): Route => {
    if (table.size === 0) return rest
    const end = start + length
    for (let at = start; at < end; at += (octets[at] as number) + 1) {
      const found = table.find(octets, at, end - at, hashName(octets, at, end))
      if (found !== undefined) return found
    }
    return rest
  }
  return {
    recursion,
    asks: (octets, start, length) => find(octets, start, length).asks,
    upstreamsFor: (octets, start, length) => find(octets, start, length).upstreams(),
  }
}
