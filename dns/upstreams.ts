import { readFileSync, statSync } from 'node:fs'
import { isIP, isIPv6 } from 'node:net'
import { DnsError } from './errors.ts'

/** A resolver to ask. */
export interface Upstream {
  readonly address: string
  readonly port: number
}

/** resolv.conf(5): three at most. */
const most = 3

/** `addr`, `addr:port` or `[addr]:port`. @throws DnsError BAD_UPSTREAM */
export function parseUpstream(text: string): Upstream {
  const match = /^\[(.+)\]:(\d+)$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text)
  const address = match?.[1] ?? text
  const port = Number(match?.[2] ?? 53)
  // A link-local server has its scope behind a %.
  if (isIP(address.split('%')[0] ?? '') === 0 || port < 1 || port > 65_535) {
    throw new DnsError('BAD_UPSTREAM', `"${text}" is not the address of a DNS server`)
  }
  return { address, port }
}

export function isV6({ address }: Upstream): boolean {
  return isIPv6(address.split('%')[0] ?? '')
}

/** The host's resolvers, as resolv.conf names them at the moment: it is looked at again when it has changed. */
export function systemUpstreams(path: string): () => readonly Upstream[] {
  let seen = ''
  let upstreams: readonly Upstream[] = []
  return () => {
    try {
      // The link's target: that is what changes under systemd-resolved.
      const { mtimeMs, ino, size } = statSync(path)
      const now = `${mtimeMs} ${ino} ${size}`
      if (now !== seen) {
        upstreams = parseResolvConf(readFileSync(path, 'utf8'))
        seen = now
      }
    } catch {
      // No such file at the moment: what was known goes on.
    }
    return upstreams
  }
}

export function parseResolvConf(text: string): Upstream[] {
  const addresses = [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address)
  return addresses
    .filter((address) => isIP(address.split('%')[0] ?? '') !== 0)
    .slice(0, most)
    .map((address) => ({ address, port: 53 }))
}
