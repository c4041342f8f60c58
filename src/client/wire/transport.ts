import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import type { StreamEvent } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { packageVersion } from '../../package.ts'
import { cancellation } from '../cancellation.ts'
import { parseAddress } from './daemon-address.ts'
import { errorOf, unreachable } from './daemon-errors.ts'
import { acceptOutput, jsonEventsOf, type OutputStreamEvent, outputEventsOf } from './output-stream.ts'
import { sendInput } from './send-input.ts'
import { watchSilence } from './silence-watch.ts'

/** A daemon sends a heartbeat every 10 s: if it is silent for so long, in milliseconds, it is gone or hangs. */
const longestSilence = 60_000

export interface CallOptions {
  signal?: AbortSignal | undefined
  headers?: Record<string, string>
  /** Of a stream: once its first event has come, waiting for others keeps no program running. */
  idle?: boolean
  /** The standard input of a command that is asked for, as it comes; destroyed when nobody wants it any more. */
  input?: Readable | undefined
}

interface RequestOptions extends CallOptions {
  /** Use a connection of its own, and try once only. */
  once?: boolean
}

/** HTTP to a daemon: JSON calls, streams of events, and uploads. All of them throw MoorageError only. */
export interface Transport {
  readonly host: string
  call<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T>
  /** The open request is the caller's interest: it ends when the iteration ends, or when `signal` aborts. */
  stream(method: string, path: string, body?: unknown, options?: CallOptions): AsyncIterable<StreamEvent>
  /** The same, with output as bytes, for calls that send output. */
  output(
    method: string,
    path: string,
    body?: unknown,
    options?: CallOptions,
  ): AsyncIterable<OutputStreamEvent>
  upload(path: string, type: string, body: Readable, options?: CallOptions): Promise<void>
}

/**
 * Creates a transport to `unix:///path` or `http://host:port`.
 *
 * @param options.silence - a stream fails when the daemon sends nothing for so long, in milliseconds
 * @throws MoorageError INVALID_OPTION
 */
export function createTransport(host: string, { silence = longestSilence } = {}): Transport {
  const address = parseAddress(host)
  // A connection whose call has ended serves the next call. A call that is left early closes its connection, which tells
  // the daemon that the caller has gone. Free connections keep no program running. A call never touches a connection that
  // another one has: of several that have gone stale, each is noticed by itself.
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 32, scheduling: 'lifo' })

  /** Sends a request, and returns the answer if its status is 200. @throws MoorageError, NodeJS.ErrnoException */
  const open = async (
    method: string,
    path: string,
    send: (request: ClientRequest) => void,
    { signal, headers = {}, once = false }: RequestOptions,
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
      // The daemon closed a free connection just when it was used again: it has not seen the request.
      const stale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      // So many connect at once that the socket's queue is full: a moment later it has room.
      const crowded = error.code === 'EAGAIN' && !once
      if ((!stale && !crowded) || signal?.aborted) return opened.reject(error)
      const retry = async () => {
        if (crowded) await setTimeout(5 + Math.random() * 20, undefined, signal ? { signal } : {})
        return open(method, path, send, { signal, headers, once: stale })
      }
      opened.resolve(retry())
    })
    let response: IncomingMessage | undefined
    const onAbort = () => {
      // The connection of a complete answer may serve another call by now.
      if (!response?.complete) request.destroy(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    request.on('close', () => signal?.removeEventListener('abort', onAbort))
    send(request)
    response = await opened.promise
    if (response.statusCode === 200) return response
    throw await errorOf(response, host, `${method} ${path.replace(/\?.*/, '')}`)
  }

  const asCallError = (error: unknown, signal: AbortSignal | undefined): MoorageError => {
    if (signal?.aborted) return cancellation(signal)
    return error instanceof MoorageError ? error : unreachable(host, error)
  }

  async function* follow<Event>(
    request: () => Promise<IncomingMessage>,
    { signal, idle = false }: CallOptions,
    decode: (response: IncomingMessage) => AsyncIterable<Event>,
  ): AsyncGenerator<Event> {
    let response: IncomingMessage | undefined
    try {
      response = await request()
      using _watch = watchSilence(response, host, silence)
      for await (const event of decode(response)) {
        if (signal?.aborted) throw signal.reason
        // Only now: the first event is what the caller waits for. The agent undoes this when the connection serves
        // another call.
        if (idle) response.socket.unref()
        yield event
      }
    } catch (error) {
      throw asCallError(error, signal)
    } finally {
      leave(response)
    }
  }

  return {
    host,
    async call<T>(method: string, path: string, body?: unknown, options: CallOptions = {}) {
      try {
        return (await json(await open(method, path, sendJson(body), options))) as T
      } catch (error) {
        throw asCallError(error, options.signal)
      }
    },

    stream: (method, path, body, options = {}) =>
      follow(() => open(method, path, sendJson(body), options), options, jsonEventsOf),

    output(method, path, body, options = {}) {
      const headers = { accept: acceptOutput, ...options.headers }
      const { input } = options
      if (input === undefined)
        return follow(
          () => open(method, path, sendJson(body), { ...options, headers }),
          options,
          outputEventsOf,
        )
      return withInput(input, body, (send) =>
        // What was read of a stream cannot be sent twice.
        follow(() => open(method, path, send, { ...options, headers, once: true }), options, outputEventsOf),
      )
    },

    async upload(path, type, body, options = {}) {
      let unreadable: Error | undefined
      body.on('error', (error) => {
        unreadable = error
      })
      const send = (request: ClientRequest) => {
        request.setHeader('content-type', type)
        // Whichever ends first ends the other. The end of the request is awaited below.
        pipeline(body, request).catch(() => undefined)
      }
      try {
        // A body that is read from a stream cannot be sent twice.
        await json(await open('PUT', path, send, { ...options, once: true }))
      } catch (error) {
        throw asCallError(unreadable ?? error, options.signal)
      } finally {
        body.destroy()
      }
    },
  }
}

/** Follows a request with an input, which ends with it, or when the daemon says that nobody wants the rest. */
async function* withInput(
  input: Readable,
  body: unknown,
  request: (send: (request: ClientRequest) => void) => AsyncIterable<OutputStreamEvent>,
): AsyncGenerator<OutputStreamEvent> {
  let stop = (): void => {
    input.destroy()
  }
  const send = (request: ClientRequest) => {
    stop = sendInput(request, body, input)
  }
  try {
    for await (const event of request(send)) {
      if (event.type === 'inputUnwanted') stop()
      else yield event
    }
  } finally {
    stop()
  }
}

function sendJson(body: unknown): (request: ClientRequest) => void {
  return (request) => {
    if (body === undefined) return void request.end()
    request.setHeader('content-type', 'application/json')
    request.end(JSON.stringify(body))
  }
}

/** Frees the connection of an answer that was read to its end for the next call; closes that of any other. */
function leave(response: IncomingMessage | undefined): void {
  if (response?.complete) response.resume()
  else response?.destroy()
}
