import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import type { StreamEvent } from '../../definition/index.ts'
import { errorFromWire, MoorageError, type WireError } from '../../errors/index.ts'
import { packageVersion } from '../../package.ts'
import { cancellation } from '../cancellation.ts'
import { parseAddress } from './daemon-address.ts'
import { linesOf } from './ndjson.ts'
import { acceptOutput, type OutputStreamEvent, outputEventsOf } from './output-stream.ts'

/** A daemon sends a heartbeat every 10 s: one that is silent for so long, in milliseconds, is gone or hangs. */
const longestSilence = 60_000

export interface CallOptions {
  signal?: AbortSignal | undefined
  headers?: Record<string, string>
}

/** The way to a daemon: JSON calls, streams of events, and uploads. All throw MoorageError only. */
export interface Transport {
  readonly host: string
  call<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T>
  /** An open request is the caller's interest: it ends when the iteration does, or when `signal` aborts. */
  stream(method: string, path: string, body?: unknown, options?: CallOptions): AsyncIterable<StreamEvent>
  /** The same, with output as bytes: for calls that give any. */
  output(
    method: string,
    path: string,
    body?: unknown,
    options?: CallOptions,
  ): AsyncIterable<OutputStreamEvent>
  upload(path: string, type: string, body: Readable, options?: CallOptions): Promise<void>
}

/**
 * A transport over HTTP to `unix:///path` or `http://host:port`.
 *
 * @param options.silence - after which a stream is given up, in milliseconds
 * @throws MoorageError INVALID_OPTION
 */
export function createTransport(host: string, { silence = longestSilence } = {}): Transport {
  const address = parseAddress(host)
  // A connection whose call has ended serves the next one; a call that is left ends its connection, which is what tells
  // the daemon that the caller has gone. Those that are free keep no program running.
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 32, scheduling: 'lifo' })

  /** Asks, and hands the answer to `read`; whatever fails on the way, or while reading, is told in our words. */
  const open = async (
    method: string,
    path: string,
    send: (request: ClientRequest) => void,
    { signal, headers = {}, once = false }: CallOptions & { once?: boolean },
  ): Promise<IncomingMessage> => {
    if (signal?.aborted) throw cancellation(signal)
    const opened = Promise.withResolvers<IncomingMessage>()
    const request = httpRequest(
      {
        ...address,
        method,
        path,
        headers: { 'moorage-version': packageVersion, ...headers },
        agent: once ? false : agent,
      },
      opened.resolve,
    )
    request.on('error', (error: NodeJS.ErrnoException) => {
      // The daemon may close a free connection just when it is taken up again: then it has not seen the request.
      const stale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      // So many connect at once that there is no room in the socket's queue: a moment later there is.
      const crowded = error.code === 'EAGAIN' && !once
      if ((!stale && !crowded) || signal?.aborted) return opened.reject(error)
      if (stale) agent.destroy()
      const again = async () => {
        if (crowded) await setTimeout(5 + Math.random() * 20, undefined, signal ? { signal } : {})
        return open(method, path, send, { signal, headers, once: stale })
      }
      opened.resolve(again())
    })
    let response: IncomingMessage | undefined
    const onAbort = () => {
      // What has come as a whole is not taken back, and its connection may be another call's by now.
      if (!response?.complete) request.destroy(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    request.on('close', () => signal?.removeEventListener('abort', onAbort))
    send(request)
    response = await opened.promise
    if (response.statusCode === 200) return response
    throw await errorOf(response, host, `${method} ${path.replace(/\?.*/, '')}`)
  }

  const told = (error: unknown, signal: AbortSignal | undefined): MoorageError => {
    if (signal?.aborted) return cancellation(signal)
    return error instanceof MoorageError ? error : unreachable(host, error)
  }

  return {
    host,
    async call<T>(method: string, path: string, body?: unknown, options: CallOptions = {}) {
      try {
        return (await json(await open(method, path, sendJson(body), options))) as T
      } catch (error) {
        throw told(error, options.signal)
      }
    },

    async *stream(method, path, body, options = {}) {
      let response: IncomingMessage | undefined
      try {
        response = await open(method, path, sendJson(body), options)
        using _watch = giveUpWhenSilent(response, host, silence)
        for await (const line of linesOf(response.iterator({ destroyOnReturn: false }))) {
          if (options.signal?.aborted) throw options.signal.reason
          yield JSON.parse(line) as StreamEvent
        }
      } catch (error) {
        throw told(error, options.signal)
      } finally {
        leave(response)
      }
    },

    async *output(method, path, body, options = {}) {
      let response: IncomingMessage | undefined
      try {
        const headers = { accept: acceptOutput, ...options.headers }
        response = await open(method, path, sendJson(body), { ...options, headers })
        using _watch = giveUpWhenSilent(response, host, silence)
        for await (const event of outputEventsOf(response)) {
          if (options.signal?.aborted) throw options.signal.reason
          yield event
        }
      } catch (error) {
        throw told(error, options.signal)
      } finally {
        leave(response)
      }
    },

    async upload(path, type, body, options = {}) {
      let unreadable: Error | undefined
      body.on('error', (error) => {
        unreadable = error
      })
      const send = (request: ClientRequest) => {
        request.setHeader('content-type', type)
        // Whichever ends first ends the other; how the request ends is awaited below.
        pipeline(body, request).catch(() => undefined)
      }
      try {
        // A body that is read from a stream cannot be sent a second time.
        await json(await open('PUT', path, send, { ...options, once: true }))
      } catch (error) {
        throw told(unreadable ?? error, options.signal)
      } finally {
        body.destroy()
      }
    },
  }
}

function sendJson(body: unknown): (request: ClientRequest) => void {
  return (request) => {
    if (body === undefined) return void request.end()
    request.setHeader('content-type', 'application/json')
    request.end(JSON.stringify(body))
  }
}

/** What has come to its end leaves its connection to the next call; what is left early ends it. */
function leave(response: IncomingMessage | undefined): void {
  if (response?.complete) response.resume()
  else response?.destroy()
}

function giveUpWhenSilent(response: IncomingMessage, host: string, silence: number): Disposable {
  const { socket } = response
  let over = false
  const onTimeout = () => {
    const { bytesRead } = socket
    // After a look at the socket: a program that was busy, or a machine that slept, for so long has not listened.
    setImmediate(() => {
      if (over) return
      // A reader that takes its time leaves bytes unread: then it is not the daemon that is silent, so far.
      if (socket.bytesRead > bytesRead || response.readableLength > 0) return watch()
      const reason = `nothing was heard of it for ${silence / 1_000} s`
      response.destroy(new MoorageError('DAEMON_UNREACHABLE', { host, reason }))
    })
  }
  // Calls it once, and starts anew with whatever comes.
  const watch = () => void socket.setTimeout(silence, onTimeout)
  watch()
  return {
    [Symbol.dispose]() {
      over = true
      socket.off('timeout', onTimeout)
      socket.setTimeout(0)
    },
  }
}

async function errorOf(response: IncomingMessage, host: string, what: string): Promise<MoorageError> {
  const body = (await json(response).catch(() => undefined)) as { error?: WireError } | undefined
  if (typeof body?.error?.code === 'string') return errorFromWire(body.error)
  const { statusCode, headers } = response
  const theirs = headers['moorage-version']
  if (theirs === undefined) {
    const reason = `something else than a daemon answers there, with HTTP status ${statusCode}`
    return new MoorageError('DAEMON_UNREACHABLE', { host, reason })
  }
  // A client of a later version than its daemon.
  if (statusCode === 404)
    return new MoorageError('NOT_YET', { what: `${what} (the daemon at ${host} has version ${theirs})` })
  return new MoorageError('INTERNAL', {
    reason: `the daemon answered ${what} with HTTP status ${statusCode}`,
  })
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  EACCES: 'permission denied; the socket is for root and the group moorage',
  ENOTFOUND: 'no such host',
}

/** What a socket says, in our words. */
export function unreachable(host: string, error: unknown): MoorageError {
  const { code, message } = error as NodeJS.ErrnoException
  const reason = reasons[code ?? ''] ?? (message || code || 'unknown')
  return new MoorageError('DAEMON_UNREACHABLE', { host, reason }, { cause: error })
}
