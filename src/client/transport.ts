import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import type { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import type { StreamEvent } from '../definition/index.ts'
import { errorFromWire, MoorageError, type WireError } from '../errors.ts'

/** The longest that one line of a stream may be. */
const longestLine = 256 * 1024 * 1024

export interface CallOptions {
  signal?: AbortSignal | undefined
  headers?: Record<string, string>
}

/** The way to a daemon: JSON calls, streams of events, and uploads. */
export interface Transport {
  readonly host: string
  call<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T>
  /** An open request is the caller's interest: it ends when the iteration does, or when `signal` aborts. */
  stream(method: string, path: string, body?: unknown, options?: CallOptions): AsyncIterable<StreamEvent>
  upload(path: string, type: string, body: Readable, options?: CallOptions): Promise<void>
}

/**
 * A transport over HTTP to `unix:///path` or `http://host:port`.
 *
 * @throws MoorageError INVALID_OPTION
 */
export function createTransport(host: string): Transport {
  const target = targetOf(host)

  const open = async (
    method: string,
    path: string,
    send: (request: ClientRequest) => void,
    { signal, headers = {} }: CallOptions,
  ): Promise<IncomingMessage> => {
    signal?.throwIfAborted()
    const opened = Promise.withResolvers<IncomingMessage>()
    const request = httpRequest({ ...target, method, path, headers, agent: false }, opened.resolve)
    request.on('error', opened.reject)
    // Destroyed at once, whatever it is doing: the daemon sees the connection close.
    const onAbort = () => request.destroy(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    request.on('close', () => signal?.removeEventListener('abort', onAbort))
    send(request)
    try {
      const response = await opened.promise
      if (response.statusCode === 200) return response
      throw await errorOf(response)
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw unreachable(host, error)
    }
  }

  const sendJson = (body: unknown) => (request: ClientRequest) => {
    if (body === undefined) return void request.end()
    request.setHeader('content-type', 'application/json')
    request.end(JSON.stringify(body))
  }

  return {
    host,
    async call<T>(method: string, path: string, body?: unknown, options: CallOptions = {}) {
      const response = await open(method, path, sendJson(body), options)
      return (await json(response)) as T
    },

    async *stream(method, path, body, options = {}) {
      const response = await open(method, path, sendJson(body), options)
      try {
        yield* lines(response)
      } catch (error) {
        if (options.signal?.aborted) throw options.signal.reason
        throw unreachable(host, error)
      } finally {
        response.destroy()
      }
    },

    async upload(path, type, body, options = {}) {
      const response = await open(
        'PUT',
        path,
        (request) => {
          request.setHeader('content-type', type)
          body.on('error', (error) => request.destroy(error))
          body.pipe(request)
        },
        options,
      )
      response.resume()
    },
  }
}

function targetOf(host: string): RequestOptions {
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) }
  if (host.startsWith('/')) return { socketPath: host }
  const url = URL.parse(host)
  if (url?.protocol === 'http:') return { host: url.hostname, port: url.port || 80 }
  throw new MoorageError('INVALID_OPTION', {
    option: `host "${host}"`,
    reason: 'it is unix:///path or http://host:port',
  })
}

async function* lines(response: IncomingMessage): AsyncGenerator<StreamEvent> {
  let rest = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    rest += chunk
    if (rest.length > longestLine) throw new Error('a line of the stream is too long')
    const parts = rest.split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) if (line !== '') yield JSON.parse(line) as StreamEvent
  }
}

async function errorOf(response: IncomingMessage): Promise<MoorageError> {
  const body = (await json(response).catch(() => undefined)) as { error?: WireError } | undefined
  if (body?.error?.code) return errorFromWire(body.error)
  return new MoorageError('INTERNAL', {
    reason: `the daemon answered with HTTP status ${response.statusCode}`,
  })
}

/** What a socket says, in our words. */
function unreachable(host: string, error: unknown): unknown {
  if (error instanceof MoorageError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const reason = code === 'ENOENT' ? 'there is no such socket' : (code ?? message)
  return new MoorageError('DAEMON_UNREACHABLE', { host, reason }, { cause: error })
}
