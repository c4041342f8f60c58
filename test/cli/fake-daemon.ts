import { mkdtempSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import {
  apiVersion,
  inputType,
  type NetworkRow,
  type RunRow,
  type ServiceRow,
  type Status,
  type StreamEvent,
} from '../../src/definition/index.ts'
import { type ErrorCode, type ErrorDetails, MoorageError } from '../../src/errors/index.ts'
import { removeTree } from '../remove-tree.ts'

/** A request to the fake daemon. */
export interface Asked {
  method: string
  path: string
  query: Record<string, string>
  body: unknown
  /** The standard input that came behind the body. */
  input?: string
}

/** An answer of the fake daemon: a document, a stream of events that stays open or ends, or an error. */
export type Answer =
  | { document: object }
  | { events: StreamEvent[]; open?: boolean }
  | { error: MoorageError }

/** A daemon that only answers: the HTTP API on a socket, with canned rows. */
export interface FakeDaemon extends AsyncDisposable {
  readonly host: string
  readonly asked: readonly Asked[]
  /** Resolves when a client has left a stream that was open. */
  readonly left: Promise<void>
  /** Breaks every connection, as its death would. */
  cut(): void
}

export function failure(code: ErrorCode, details: ErrorDetails = {}): { error: MoorageError } {
  return { error: new MoorageError(code, details) }
}

/** `routes` are by method and path below /v1, such as `GET status`. */
export async function fakeDaemon(routes: Record<string, Answer>): Promise<FakeDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-cli-'))
  const socket = join(directory, 'moorage.sock')
  const asked: Asked[] = []
  const left = Promise.withResolvers<void>()
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '', 'http://moorage')
    const path = decodeURIComponent(url.pathname.replace('/v1/', ''))
    const { method = '' } = request
    const type = request.headers['content-type']
    const [line, ...rest] = type === inputType ? (await text(request)).split('\n') : []
    const body =
      type === 'application/json' ? await json(request) : line === undefined ? undefined : JSON.parse(line)
    if (path === 'session') {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      return response.write('{"type":"session","id":"s"}\n')
    }
    asked.push({ method, path, query: Object.fromEntries(url.searchParams), body, input: rest.join('\n') })
    const answer =
      routes[`${method} ${path}`] ?? failure('INVALID_REQUEST', { reason: `no ${method} ${path}` })
    if ('error' in answer) {
      response.writeHead(answer.error.status, { 'content-type': 'application/json' })
      return response.end(JSON.stringify({ error: answer.error }))
    }
    if ('document' in answer) {
      response.writeHead(200, { 'content-type': 'application/json' })
      return response.end(JSON.stringify(answer.document))
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    for (const event of answer.events) response.write(`${JSON.stringify(event)}\n`)
    if (!answer.open) return response.end()
    return response.on('close', () => left.resolve())
  }
  const server = createServer((request, response) => {
    serve(request, response).catch((error) => response.destroy(error))
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    host: `unix://${socket}`,
    asked,
    left: left.promise,
    cut: () => server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      removeTree(directory)
    },
  }
}

const hour = 3_600_000

export function serviceRow(changes: Partial<ServiceRow> = {}): ServiceRow {
  return {
    id: 'h1u8v0k2m4p6',
    label: 'h1u8v0k2m4p6q8s0',
    name: 'redis',
    hostname: 'h1u8v0k2m4p6q8s0.moorage.internal',
    network: 'default',
    state: 'ready',
    health: 'healthy',
    clients: ['run abcdefghijklmnopqrst', 'pin'],
    aliases: ['redis-srv'],
    address: '10.88.0.5',
    ports: ['6379/tcp'],
    hostPorts: [],
    image: 'docker.io/library/redis:7',
    args: ['redis-server'],
    since: Date.now() - hour,
    startedAt: Date.now() - 3 * hour,
    stopsAt: null,
    exitCode: null,
    error: null,
    ...changes,
  }
}

export function runRow(changes: Partial<RunRow> = {}): RunRow {
  return {
    id: 'r2d2c3p0bb88',
    label: 'r2d2c3p0bb88xxxx',
    network: 'default',
    state: 'done',
    image: 'docker.io/library/redis:7',
    args: ['/usr/bin/redis-cli', 'ping'],
    address: '10.88.0.9',
    bindings: { 'redis-srv': 'h1u8v0k2m4p6q8s0.moorage.internal' },
    callers: 0,
    ports: [],
    hostPorts: [],
    startedAt: Date.now() - 5 * 60_000,
    endedAt: Date.now() - 4 * 60_000,
    exitCode: 3,
    ...changes,
  }
}

export const network: NetworkRow = {
  name: 'default',
  subnet: '10.88.0.0/16',
  gateway: '10.88.0.1',
  subnet6: null,
  gateway6: null,
  isolation: 'network',
  mtu: 1500,
  namespace: 'moorage-default',
  hostRoute: 'yes',
  kept: true,
  problems: [],
  sandboxes: 2,
  pooled: 4,
}

export function statusDocument(changes: Partial<Status> = {}): Status {
  return {
    apiVersion,
    version: '0.1.0',
    pid: 4711,
    startedAt: Date.now() - hour / 2,
    instance: 'i0',
    socket: '/run/moorage/moorage.sock',
    stateDirectory: '/var/lib/moorage',
    runtime: 'oci',
    networks: [network],
    services: [serviceRow()],
    runs: 1,
    sessions: 2,
    problems: [],
    ...changes,
  }
}

export function logEvent(text: string | Buffer, stream: 'stdout' | 'stderr' = 'stdout'): StreamEvent {
  return { type: 'log', stream, time: 0, data: Buffer.from(text).toString('base64') }
}
