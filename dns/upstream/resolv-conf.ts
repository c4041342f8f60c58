import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Upstream } from './upstream.ts'

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
