import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { DnsError } from '../errors.ts'

/** A resolver to ask: an address, with its scope if it is link-local, and a port. */
export interface Upstream {
  readonly address: string
  readonly port: number
}

/** How an upstream is called in events and messages. */
export function keyOf({ address, port }: Upstream): string {
  return `${address} port ${port}`
}

/** resolv.conf(5), MAXNS: the C library reads no more either. */
const mostNameservers = 3

/** The nameservers that a resolv.conf names, in its order. Lines that say something else, or nonsense, are passed over. */
export function parseResolvConf(text: string): Upstream[] {
  return text
    .split('\n')
    .map((line) => /^nameserver[ \t]+([^\s#;]+)/.exec(line)?.[1])
    .filter((address) => address !== undefined && isIP(address) !== 0)
    .slice(0, mostNameservers)
    .map((address) => ({ address: address as string, port: 53 }))
}

/**
 * Follows a resolv.conf by looking at it whenever it is asked, as glibc does since 2.26: that sees through symbolic
 * links, needs no watcher, and costs a few microseconds. While the file is missing or names nobody, as when somebody
 * is writing it, the last nameservers stay.
 */
export function followResolvConf(path: string): () => readonly Upstream[] {
  let seen = ''
  let upstreams: readonly Upstream[] = []
  return () => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined || !stat.isFile()) return upstreams
    const now = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
    if (now === seen) return upstreams
    const text = readText(path)
    if (text === undefined) return upstreams
    const parsed = parseResolvConf(text)
    seen = now
    if (parsed.length > 0) upstreams = parsed
    return upstreams
  }
}

/** It may be gone again, or not be for us. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** @param text `9.9.9.9`, `127.0.0.1:5300`, `fd00::1`, `[fd00::1]:5300` */
export function parseUpstream(text: string): Upstream {
  const [, bracketed, plain, portText = '53'] =
    /^(?:\[([^\]]+)\]|([^:]*(?::[^:]*){2,}|[^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const address = bracketed ?? plain ?? ''
  const port = Number(portText)
  if (isIP(address) === 0 || port < 1 || port > 65535) {
    throw new DnsError(
      'INVALID_OPTION',
      `upstreams: "${text}" is not an address such as 9.9.9.9, 127.0.0.1:5300 or [fd00::1]:53`,
    )
  }
  return { address, port }
}
