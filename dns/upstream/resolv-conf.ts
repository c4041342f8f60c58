import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Upstream } from './upstream.ts'

/** The C library reads no more either (resolv.conf(5), MAXNS). */
const mostNameservers = 3

/** The nameservers of a resolv.conf, in its order. All other lines, and addresses that are none, are skipped. */
export function parseResolvConf(text: string): Upstream[] {
  return text
    .split('\n')
    .map((line) => /^nameserver[ \t]+([^\s#;]+)/.exec(line)?.[1])
    .filter((address) => address !== undefined && isIP(address) !== 0)
    .slice(0, mostNameservers)
    .map((address) => ({ address: address as string, port: 53 }))
}

/**
 * Follows a resolv.conf. The returned function looks at the file at each call, as glibc does since 2.26: that follows
 * symbolic links, needs no watcher, and costs a few microseconds. While the file is missing or has no nameserver, as
 * when it is just being written, the last nameservers stay.
 */
export function followResolvConf(path: string): () => readonly Upstream[] {
  let signature = ''
  let upstreams: readonly Upstream[] = []
  return () => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined || !stat.isFile()) return upstreams
    const current = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
    if (current === signature) return upstreams
    const text = readText(path)
    if (text === undefined) return upstreams
    const parsed = parseResolvConf(text)
    signature = current
    if (parsed.length > 0) upstreams = parsed
    return upstreams
  }
}

/** @returns `undefined` for a file that is gone again, or that we may not read */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
