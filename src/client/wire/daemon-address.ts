import { join, resolve } from 'node:path'
import { MoorageError } from '../../errors/index.ts'

/** Bytes of sun_path of unix(7), without the NUL at its end. */
const longestSocketPath = 107

/** The address of the daemon to talk to: the option, else `MOORAGE_HOST`, else the socket in the runtime directory. */
export function hostOf({
  host,
  runtimeDirectory,
}: {
  host?: string
  runtimeDirectory?: string
} = {}): string {
  const { MOORAGE_HOST, MOORAGE_RUNTIME_DIR } = process.env
  const directory = runtimeDirectory ?? (MOORAGE_RUNTIME_DIR || '/run/moorage')
  return (
    host ||
    (runtimeDirectory === undefined ? MOORAGE_HOST : undefined) ||
    `unix://${join(resolve(directory), 'moorage.sock')}`
  )
}

/** Options of node:http that lead to a daemon. */
export type DaemonAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number }

/**
 * Reads `unix:///path`, `/path` or `http://host:port`.
 *
 * @throws MoorageError INVALID_OPTION
 */
export function parseAddress(host: string): DaemonAddress {
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
