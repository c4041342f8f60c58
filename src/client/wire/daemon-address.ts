import { MoorageError } from '../../errors/index.ts'

/** sun_path of unix(7) without the NUL at its end. */
const longestSocketPath = 107

/** Where a daemon is, in the words of node:http. */
export type Address = { readonly socketPath: string } | { readonly host: string; readonly port: number }

/**
 * Reads `unix:///path`, `/path` or `http://host:port`.
 *
 * @throws MoorageError INVALID_OPTION
 */
export function parseAddress(host: string): Address {
  const invalid = (reason: string) => new MoorageError('INVALID_OPTION', { option: `host "${host}"`, reason })
  const socketPath = host.startsWith('unix://') ? host.slice('unix://'.length) : host
  if (socketPath.startsWith('/')) {
    if (Buffer.byteLength(socketPath) > longestSocketPath) {
      throw invalid(`the path of a socket has ${longestSocketPath} bytes at most`)
    }
    return { socketPath }
  }
  const url = URL.parse(host)
  if (url?.protocol !== 'http:' || url.pathname !== '/')
    throw invalid('it is unix:///path or http://host:port')
  // A URL writes IPv6 addresses in brackets, the resolver takes them without.
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) }
}
