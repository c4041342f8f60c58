import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { clientKey, type Endpoint } from '../wire/address.ts'
import { followResolvConf } from './resolv-conf.ts'
import { parseUpstream, type Upstream } from './upstream.ts'

/** The system's resolvers, none, or these (`addr`, `addr:port`, `[addr]:port`). */
export type UpstreamChoice = 'system' | 'none' | readonly string[]

/**
 * Returns a function that gives the upstreams of a choice, current at each call. Our own listeners are left out: if the
 * host's resolver is this server, a query would go round for ever.
 * @throws DnsError `INVALID_OPTION` for an text that is no upstream
 */
export function upstreamSource(
  choice: UpstreamChoice,
  resolvConf: string,
  listeners: readonly Endpoint[],
): () => readonly Upstream[] {
  const listed = typeof choice === 'string' ? [] : choice.map(parseUpstream)
  const read = choice === 'system' ? followResolvConf(resolvConf) : () => listed
  let latest: readonly Upstream[] | undefined
  let foreign: readonly Upstream[] = []
  return () => {
    const upstreams = read()
    if (upstreams !== latest) {
      latest = upstreams
      foreign = upstreams.filter((upstream) => !listeners.some((listener) => isListener(upstream, listener)))
    }
    return foreign
  }
}

function isListener({ address, port }: Upstream, listener: Endpoint): boolean {
  if (port !== listener.port) return false
  // A connection to the wildcard reaches this machine: resolv.conf(5) uses it for the local resolver.
  if (address === '0.0.0.0' || address === '::') return isOurs(listener.address)
  if (clientKey(listener.address) === clientKey(address)) return true
  // A wildcard listens on all of this machine's addresses.
  return (listener.address === '0.0.0.0' || listener.address === '::') && isOurs(address)
}

function isOurs(address: string): boolean {
  if (address.startsWith('127.') || (isIPv6(address) && address === '::1')) return true
  return Object.values(networkInterfaces()).some((list) =>
    list?.some((own) => own.address === clientKey(address)),
  )
}
