import type { Endpoint } from '../wire/address.ts'
import { hashName, wireName } from '../wire/name.ts'
import { NameMap } from '../wire/name-map.ts'
import type { Upstream } from './upstream.ts'
import { type UpstreamChoice, upstreamSource } from './upstream-source.ts'

/** The upstreams for each name: those of the longest domain that it ends with, else those for all names. */
export interface Routes {
  /** True if there are names that an upstream is asked for. */
  readonly recursion: boolean
  /** True if an upstream is asked for this name, which is in wire form. */
  asks(octets: Uint8Array, start: number, length: number): boolean
  /** The upstreams to ask for it, in this order. */
  upstreamsFor(octets: Uint8Array, start: number, length: number): readonly Upstream[]
}

interface Route {
  readonly asks: boolean
  readonly upstreams: () => readonly Upstream[]
}

/** @throws DnsError `INVALID_OPTION` for a wrong upstream, `INVALID_NAME` for a wrong domain */
export function createRoutes(
  otherNames: UpstreamChoice,
  domains: Readonly<Record<string, UpstreamChoice>>,
  resolvConf: string,
  listeners: readonly Endpoint[],
): Routes {
  const route = (choice: UpstreamChoice): Route => ({
    asks: choice !== 'none',
    upstreams: upstreamSource(choice, resolvConf, listeners),
  })
  const other = route(otherNames)
  const table = new NameMap<Route>()
  let recursion = other.asks
  for (const [domain, choice] of Object.entries(domains)) {
    table.set(wireName(domain), route(choice))
    recursion ||= choice !== 'none'
  }
  const find = (octets: Uint8Array, start: number, length: number): Route => {
    if (table.size === 0) return other
    const end = start + length
    for (let at = start; at < end; at += (octets[at] as number) + 1) {
      const match = table.find(octets, at, end - at, hashName(octets, at, end))
      if (match !== undefined) return match
    }
    return other
  }
  return {
    recursion,
    asks: (octets, start, length) => find(octets, start, length).asks,
    upstreamsFor: (octets, start, length) => find(octets, start, length).upstreams(),
  }
}
