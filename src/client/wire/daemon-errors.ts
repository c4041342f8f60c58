import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { errorFromWire, MoorageError, type WireError } from '../../errors/index.ts'

/** Reads the error out of an answer that is not 200. @param request - method and path, for the message */
export async function errorOf(
  response: IncomingMessage,
  host: string,
  request: string,
): Promise<MoorageError> {
  const body = (await json(response).catch(() => undefined)) as { error?: WireError } | undefined
  if (typeof body?.error?.code === 'string') return errorFromWire(body.error, { complete: true })
  const { statusCode, headers } = response
  const version = headers['moorage-version']
  if (version === undefined) {
    const reason = `something else than a daemon answers there, with HTTP status ${statusCode}`
    return new MoorageError('DAEMON_UNREACHABLE', { host, reason })
  }
  // The daemon is older than this client.
  if (statusCode === 404) {
    return new MoorageError('NOT_YET', { what: `${request} (the daemon at ${host} has version ${version})` })
  }
  const reason = `the daemon answered ${request} with HTTP status ${statusCode}`
  return new MoorageError('INTERNAL', { reason })
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  EACCES: 'permission denied; the socket is for root and the group moorage',
  ENOTFOUND: 'no such host',
}

const joinGroup =
  'run it with sudo; or join the group: sudo groupadd -f moorage && sudo usermod -aG moorage $USER, restart the daemon, and log in anew'

/** Builds the error for a failure of the socket to the daemon. */
export function unreachable(host: string, error: unknown): MoorageError {
  const { code, message } = error as NodeJS.ErrnoException
  const reason = reasons[code ?? ''] ?? (message || code || 'unknown')
  const advice = code === 'EACCES' ? { advice: joinGroup } : {}
  return new MoorageError('DAEMON_UNREACHABLE', { host, reason, ...advice }, { cause: error, complete: true })
}
