import { mkdtempSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import type { StreamEvent } from '../../src/definition/index.ts'
import { MoorageError } from '../../src/errors/index.ts'
import { removeTree } from '../remove-tree.ts'

/** A request that the fake received. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: Record<string, string>
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

/** A request and the ways to answer it. */
export interface Exchange {
  readonly asked: Asked
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Resolves when the client has closed the connection before the answer was complete. */
  readonly left: Promise<void>
  /** Answers with a JSON document. */
  document(document: object): void
  /** Sends events of a stream. */
  send(...events: StreamEvent[]): void
  end(...events: StreamEvent[]): void
  refuse(error: MoorageError): void
}

export type Handler = (exchange: Exchange) => void | Promise<void>

export interface FakeDaemon extends AsyncDisposable {
  readonly host: string
  readonly socket: string
  readonly directory: string
  readonly asked: Asked[]
  /** Number of open sessions. */
  readonly sessions: () => number
  /** Breaks all open sessions off, as a crash of the daemon does. */
  endSessions(): void
  /** Resolves when this request was received so often. */
  was(what: string, times?: number): Promise<void>
}

/**
 * The API on a socket, answered by the test. Handlers are by method and path below /v1 (`POST evaluate`), with `*` for
 * one part of a path; sessions are kept by the fake itself.
 */
export async function fakeDaemon(handlers: Record<string, Handler> = {}): Promise<FakeDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-client-'))
  const socket = join(directory, 'moorage.sock')
  const asked: Asked[] = []
  const open = new Set<ServerResponse>()
  const waiting = new Set<() => void>()
  let sessions = 0

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '', 'http://moorage')
    const path = decodeURIComponent(url.pathname.replace('/v1/', ''))
    const { method = '', headers } = request
    const left = new Promise<void>((resolve) => {
      response.on('close', () => {
        if (!response.writableFinished) resolve()
      })
    })
    const body = headers['content-type'] === 'application/json' ? await json(request) : undefined
    const exchange = exchangeOf(
      { method, path, query: Object.fromEntries(url.searchParams), headers, body },
      request,
      response,
      left,
    )
    asked.push(exchange.asked)
    for (const look of waiting) look()
    const handler = handlers[`${method} ${path}`] ?? handlers[`${method} ${path.replace(/\/[^/]+/, '/*')}`]
    if (handler) return handler(exchange)
    if (`${method} ${path}` === 'POST session') {
      sessions += 1
      open.add(response)
      response.on('close', () => open.delete(response))
      return exchange.send({ type: 'session', id: `session-${sessions}` })
    }
    response.writeHead(404, { 'moorage-version': '9.9.9' })
    response.end('{"message":"no such route"}')
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error) => response.destroy(error))
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    host: `unix://${socket}`,
    socket,
    directory,
    asked,
    sessions: () => open.size,
    endSessions: () => {
      for (const response of open) response.destroy()
    },
    was(what, times = 1) {
      return new Promise((resolve) => {
        const look = () => {
          if (asked.filter(({ method, path }) => `${method} ${path}` === what).length < times) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      })
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      removeTree(directory)
    },
  }
}

function exchangeOf(
  asked: Asked,
  request: IncomingMessage,
  response: ServerResponse,
  left: Promise<void>,
): Exchange {
  const send = (...events: StreamEvent[]) => {
    if (!response.headersSent)
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'moorage-version': '9.9.9' })
    response.flushHeaders()
    for (const event of events) response.write(`${JSON.stringify(event)}\n`)
  }
  return {
    asked,
    request,
    response,
    left,
    send,
    document(document) {
      response.writeHead(200, { 'content-type': 'application/json', 'moorage-version': '9.9.9' })
      response.end(JSON.stringify(document))
    },
    end(...events) {
      send(...events)
      response.end()
    },
    refuse(error) {
      response.writeHead(error.status, { 'content-type': 'application/json', 'moorage-version': '9.9.9' })
      response.end(JSON.stringify({ error }))
    },
  }
}

export function failure(code: MoorageError['code'], details: MoorageError['details'] = {}): MoorageError {
  return new MoorageError(code, details)
}

/** Waits until a condition holds; it is checked every few milliseconds. */
export async function until(what: string, holds: () => boolean, timeout = 5_000): Promise<void> {
  const deadline = performance.now() + timeout
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
