import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import fastify from 'fastify'
import t from 'tap'
import { addHttpApi } from '../../src/daemon/http-api.ts'
import { PinnedLeases } from '../../src/daemon/pinned-leases.ts'
import { Sessions } from '../../src/daemon/sessions.ts'
import { unroutedOptions } from '../../src/daemon/unrouted.ts'
import type { Engine } from '../../src/engine/index.ts'
import { MoorageError } from '../../src/errors/index.ts'
import { removeTree } from '../remove-tree.ts'

const digest = `sha256:${'0'.repeat(64)}`
const definition = { ops: [{ op: 'scratch' }], root: 0 }
const row = { id: 'a', label: 'a', network: 'default' }
const lease = { release: () => undefined, lost: new Promise<never>(() => undefined) }
const result = { type: 'result', value: 'a', exitCode: 0 }

/** One request for each route that the daemon answers as it should. */
const samples: Record<string, { path: string; body?: unknown; tar?: boolean; stream?: boolean }> = {
  'GET /healthz': { path: '/healthz' },
  'GET /readyz': { path: '/readyz' },
  'POST /v1/session': { path: '/v1/session', stream: true },
  'DELETE /v1/session/:id/leases/:lease': { path: '/v1/session/s/leases/l' },
  'POST /v1/evaluate': { path: '/v1/evaluate', body: { definition, output: 'sync' }, stream: true },
  'POST /v1/resolve': { path: '/v1/resolve', body: { definition, want: 'digest' } },
  'POST /v1/services': {
    path: '/v1/services',
    body: { definition, service: {}, detach: true },
    stream: true,
  },
  'POST /v1/up': {
    path: '/v1/up',
    body: { definition, service: {}, ports: [{ host: 0, service: 80 }] },
    stream: true,
  },
  'GET /v1/services': { path: '/v1/services' },
  'GET /v1/services/:id': { path: '/v1/services/a' },
  'DELETE /v1/services/:id': { path: '/v1/services/a' },
  'POST /v1/services/:id/restart': { path: '/v1/services/a/restart' },
  'POST /v1/services/:id/exec': { path: '/v1/services/a/exec', body: { args: ['true'] }, stream: true },
  'GET /v1/services/:id/logs': { path: '/v1/services/a/logs', stream: true },
  'GET /v1/events': { path: '/v1/events', stream: true },
  'GET /v1/explain': { path: '/v1/explain?a=a&b=b' },
  'GET /v1/history/:id': { path: '/v1/history/a' },
  'GET /v1/runs': { path: '/v1/runs' },
  'GET /v1/networks': { path: '/v1/networks' },
  'GET /v1/networks/:name': { path: '/v1/networks/n' },
  'PUT /v1/networks/:name': { path: '/v1/networks/n', body: {} },
  'DELETE /v1/networks/:name': { path: '/v1/networks/n' },
  'GET /v1/status': { path: '/v1/status' },
  'GET /v1/dns/zone': { path: '/v1/dns/zone' },
  'GET /v1/dns/query': { path: '/v1/dns/query?name=x' },
  'POST /v1/blobs/missing': { path: '/v1/blobs/missing', body: { digests: [digest] } },
  'PUT /v1/blobs/:digest': { path: `/v1/blobs/${digest}`, tar: true },
}

/** An engine that has an answer for each call, or with `broken` fails each. */
function fakeEngine({ broken = false } = {}): Engine {
  const answers: Record<string, unknown> = {
    evaluate: result,
    exec: result,
    start: { lease, row, ports: [] },
    stop: row,
    restart: row,
    resolve: { value: 'x' },
    services: [],
    service: row,
    runs: [],
    history: [],
    explain: { a: 'a', b: 'b', differences: [] },
    networks: [],
    network: {},
    createNetwork: {},
    removeNetwork: undefined,
    problems: [],
    records: [],
    query: {},
    missingDirectories: [],
    receiveDirectory: undefined,
  }
  const values: Record<string, unknown> = { instance: 'i', stateDirectory: '/', runtime: 'oci' }
  return new Proxy({} as Engine, {
    get: (_, name) =>
      values[String(name)] ??
      (() => {
        if (broken) throw new MoorageError('NETWORK_NOT_FOUND', { network: 'n' })
        return answers[String(name)]
      }),
  })
}

/** The daemon's HTTP API on a socket, in front of an engine. */
async function serve(engine: Engine) {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-http-'))
  const socketPath = join(directory, 'socket')
  const routes: string[] = []
  const app = fastify({ ...unroutedOptions('1.2.3'), bodyLimit: 10_000 })
  app.addHook('onRoute', ({ method, url }) => {
    if (method !== 'HEAD') routes.push(`${method} ${url}`)
  })
  const context = {
    engine,
    sessions: new Sessions(),
    pins: new PinnedLeases(),
    version: '1.2.3',
    socket: socketPath,
    startedAt: 0,
    beginRequest: () => () => undefined,
  }
  addHttpApi(app, context, () => undefined)
  await app.listen({ path: socketPath })
  return {
    routes,
    socketPath,
    async ask(method: string, path: string, body?: string, type = 'application/json') {
      const headers = body === undefined ? {} : { 'content-type': type }
      const request = httpRequest({ socketPath, method, path, headers, agent: false })
      request.end(body)
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      const isDocument = response.headers['content-type']?.startsWith('application/json') === true
      const document = isDocument ? JSON.parse(await text(response)) : undefined
      request.destroy()
      return { status: response.statusCode ?? 0, headers: response.headers, document }
    },
    async [Symbol.asyncDispose]() {
      await app.close()
      removeTree(directory)
    },
  }
}

t.test('every JSON document carries apiVersion, and every answer the version', async (t) => {
  await using api = await serve(fakeEngine())
  await using broken = await serve(fakeEngine({ broken: true }))
  t.strictSame(api.routes.toSorted(), Object.keys(samples).toSorted(), 'each route has a sample')
  for (const [route, { path, body, tar, stream }] of Object.entries(samples)) {
    const [method = ''] = route.split(' ')
    const input = tar ? 'tar' : body === undefined ? undefined : JSON.stringify(body)
    const type = tar ? 'application/x-tar' : 'application/json'
    const answer = await api.ask(method, path, input, type)
    t.equal(answer.status, 200, route)
    t.equal(answer.headers['moorage-version'], '1.2.3', `${route}: version`)
    if (stream) t.equal(answer.headers['content-type'], 'application/x-ndjson', `${route}: a stream`)
    else t.equal(answer.document?.apiVersion, 'v1', `${route}: its answer`)

    const failed = await broken.ask(method, path, input, type)
    // Some routes ask nothing of the engine.
    if (failed.document && failed.status !== 200)
      t.match(failed.document, { apiVersion: 'v1', error: { code: String } }, `${route}: its error`)
    if (body !== undefined) {
      t.match(
        (await api.ask(method, path, '{"half')).document,
        { apiVersion: 'v1', error: { code: 'INVALID_REQUEST' } },
        `${route}: malformed JSON`,
      )
      t.match(
        (await api.ask(method, path, '{"unknown":1}')).document,
        { apiVersion: 'v1', error: { code: /^INVALID_/ } },
        `${route}: an unknown field`,
      )
    }
  }
})

t.test('what no route answers is an error document, too', async (t) => {
  await using api = await serve(fakeEngine())
  const cases: [string, string, number, string?][] = [
    ['GET', '/v1/nothing', 404],
    ['PATCH', '/v1/services', 404],
    ['GET', '/v1/services/%E0%A4%A', 400],
    ['POST', '/v1/evaluate', 400, `"${'x'.repeat(20_000)}"`],
    ['POST', '/v1/evaluate', 400, ''],
  ]
  for (const [method, path, status, body] of cases) {
    const answer = await api.ask(method, path, body)
    t.equal(answer.status, status, `${method} ${path}`)
    t.equal(answer.headers['moorage-version'], '1.2.3')
    t.match(answer.document, {
      apiVersion: 'v1',
      error: { code: 'INVALID_REQUEST', message: String, hint: String },
    })
  }
})

t.test('a request that is no HTTP gets an error document', async (t) => {
  await using api = await serve(fakeEngine())
  const socket = connect(api.socketPath)
  socket.end('nonsense\r\n\r\n')
  const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 400 /)
  t.match(JSON.parse(body), { apiVersion: 'v1', error: { code: 'INVALID_REQUEST' } })
})

t.test('an upload whose end the receiver does not read is not cancelled by that', async (t) => {
  const engine = fakeEngine()
  // Behind the end of an archive tar reads no further: the pipe to it breaks, which destroys the request's stream.
  const receiveDirectory: Engine['receiveDirectory'] = async (_digest, tar, signal) => {
    const ended = once(tar, 'end')
    tar.on('end', () => tar.destroy(new Error('write EPIPE')))
    tar.resume()
    await ended
    await turn()
    signal.throwIfAborted()
  }
  await using api = await serve(Object.assign(Object.create(engine), { receiveDirectory }))
  const answer = await api.ask('PUT', `/v1/blobs/${digest}`, 'tar', 'application/x-tar')
  t.strictSame([answer.status, answer.document], [200, { apiVersion: 'v1', digest }])
})

t.test('an upload ends when its client goes', async (t) => {
  const begun = Promise.withResolvers<void>()
  const reason = Promise.withResolvers<unknown>()
  const receiveDirectory: Engine['receiveDirectory'] = (_digest, _tar, signal) => {
    signal.addEventListener('abort', () => reason.resolve(signal.reason))
    begun.resolve()
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  await using api = await serve(Object.assign(Object.create(fakeEngine()), { receiveDirectory }))
  const request = httpRequest({
    socketPath: api.socketPath,
    method: 'PUT',
    path: `/v1/blobs/${digest}`,
    headers: { 'content-type': 'application/x-tar' },
    agent: false,
  })
  request.on('error', () => undefined)
  request.write('half a tar')
  await begun.promise
  request.destroy()
  t.match(await reason.promise, { code: 'CANCELLED' })
})
