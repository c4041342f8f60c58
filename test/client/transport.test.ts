import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { createTransport } from '../../src/client/index.ts'
import { parseAddress } from '../../src/client/wire/daemon-address.ts'
import { linesOf } from '../../src/client/wire/ndjson.ts'
import type { StreamEvent } from '../../src/definition/index.ts'
import { MoorageError } from '../../src/errors/index.ts'
import { failure, fakeDaemon, until } from './fake-daemon.ts'

t.test('a host is a unix socket or an http address', async (t) => {
  const good: [string, object][] = [
    ['unix:///run/moorage/moorage.sock', { socketPath: '/run/moorage/moorage.sock' }],
    ['/run/x.sock', { socketPath: '/run/x.sock' }],
    ['http://example.com', { host: 'example.com', port: 80 }],
    ['http://127.0.0.1:2375/', { host: '127.0.0.1', port: 2375 }],
    ['http://[::1]:2375', { host: '::1', port: 2375 }],
  ]
  for (const [host, address] of good) t.same(parseAddress(host), address, host)
  const bad = [
    '',
    'example.com',
    'unix://run/x.sock',
    'https://example.com',
    'tcp://x:1',
    'http://x/path',
    `/${'x'.repeat(107)}`,
  ]
  for (const host of bad) t.throws(() => createTransport(host), { code: 'INVALID_OPTION' }, host)
})

t.test('a call sends JSON, says its version and gets JSON', async (t) => {
  await using daemon = await fakeDaemon({ 'POST resolve': ({ document }) => document({ value: 'x' }) })
  const transport = createTransport(daemon.host)
  t.same(await transport.call('POST', '/v1/resolve', { a: 'é' }), { value: 'x' })
  const [asked] = daemon.asked
  t.same(asked?.body, { a: 'é' })
  t.match(asked?.headers['moorage-version'], /^\d+\.\d+\.\d+/)
})

t.test('over TCP too, also by IPv6', async (t) => {
  for (const address of ['127.0.0.1', '::1']) {
    const server = createServer((_request, response) => response.end('{"ok":true}'))
    server.listen(0, address)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const host = `http://${address.includes(':') ? `[${address}]` : address}:${port}`
    t.same(await createTransport(host).call('GET', '/healthz'), { ok: true }, host)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await t.rejects(createTransport(host).call('GET', '/healthz'), {
      code: 'DAEMON_UNREACHABLE',
      message: `no daemon answers at ${host}: nobody listens there`,
    })
  }
})

t.test('an error of the daemon is that error here', async (t) => {
  await using daemon = await fakeDaemon({
    'GET status': ({ refuse }) => refuse(failure('STATE_LOCKED', { pid: 7, directory: '/d' })),
  })
  await t.rejects(createTransport(daemon.host).call('GET', '/v1/status'), {
    code: 'STATE_LOCKED',
    details: { pid: 7 },
    message: /pid 7/,
  })
})

t.test('what a daemon does not know is not in its version', async (t) => {
  await using daemon = await fakeDaemon()
  await t.rejects(createTransport(daemon.host).call('POST', '/v1/new?x=1', {}), {
    code: 'NOT_YET',
    message: /^POST \/v1\/new \(the daemon at .* has version 9\.9\.9\) is not in this version/,
  })
})

t.test('what is no daemon is told as that', async (t) => {
  const answers: [string, number, RegExp][] = [
    ['<html>', 404, /something else than a daemon/],
    ['{"error":"no"}', 500, /HTTP status 500/],
    ['no json', 200, /.+/],
  ]
  for (const [text, status, reason] of answers) {
    const server = createServer((_request, response) => response.writeHead(status).end(text))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await t.rejects(
      createTransport(host).call('GET', '/v1/status'),
      { code: 'DAEMON_UNREACHABLE', message: reason },
      text,
    )
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

t.test('a socket that is not there', async (t) => {
  await t.rejects(createTransport('unix:///nowhere/moorage.sock').call('GET', '/v1/status'), {
    code: 'DAEMON_UNREACHABLE',
    message: /there is no such socket/,
  })
})

t.test('a stream gives its events as they come', async (t) => {
  const step = Promise.withResolvers<void>()
  await using daemon = await fakeDaemon({
    'POST evaluate': async ({ send, end }) => {
      send({ type: 'heartbeat' })
      await step.promise
      end({ type: 'result', value: 'x', exitCode: 0 })
    },
  })
  const seen: string[] = []
  for await (const { type } of createTransport(daemon.host).stream('POST', '/v1/evaluate', {})) {
    seen.push(type)
    step.resolve()
  }
  t.same(seen, ['heartbeat', 'result'])
})

t.test('whoever stops iterating leaves', async (t) => {
  const gone = Promise.withResolvers<void>()
  await using daemon = await fakeDaemon({
    'POST evaluate': async ({ send, left }) => {
      send({ type: 'heartbeat' }, { type: 'heartbeat' })
      await left
      gone.resolve()
    },
  })
  for await (const _ of createTransport(daemon.host).stream('POST', '/v1/evaluate', {})) break
  await gone.promise
  t.pass('the daemon saw it go')
})

t.test('an aborted signal ends a request at once, wherever it is', async (t) => {
  const gone = Promise.withResolvers<void>()
  let count = 0
  const hang = async ({ left }: { left: Promise<void> }) => {
    await left
    count += 1
    if (count === 3) gone.resolve()
  }
  await using daemon = await fakeDaemon({
    'POST resolve': hang,
    'GET status': async (exchange) => {
      // Half an answer.
      exchange.response.writeHead(200)
      exchange.response.write('{"half')
      await hang(exchange)
    },
    'POST evaluate': async (exchange) => {
      exchange.send({ type: 'heartbeat' })
      await hang(exchange)
    },
  })
  const transport = createTransport(daemon.host)
  const abort = new AbortController()
  const { signal } = abort
  const calls = [
    transport.call('POST', '/v1/resolve', {}, { signal }),
    transport.call('GET', '/v1/status', undefined, { signal }),
    (async () => {
      for await (const _ of transport.stream('POST', '/v1/evaluate', {}, { signal }));
    })(),
  ]
  await Promise.all([daemon.was('POST resolve'), daemon.was('GET status'), daemon.was('POST evaluate')])
  abort.abort()
  for (const call of await Promise.allSettled(calls)) {
    t.match(call, {
      status: 'rejected',
      reason: { code: 'CANCELLED', message: 'cancelled: by the caller', cause: { name: 'AbortError' } },
    })
  }
  await gone.promise
  t.pass('the daemon saw all of them go')
  await t.rejects(
    transport.call('GET', '/v1/status', undefined, { signal }),
    { code: 'CANCELLED' },
    'not even begun',
  )
})

t.test('the reason of a cancellation is kept', async (t) => {
  await using daemon = await fakeDaemon({ 'GET status': () => undefined })
  const transport = createTransport(daemon.host)
  await t.rejects(transport.call('GET', '/v1/status', undefined, { signal: AbortSignal.timeout(20) }), {
    code: 'CANCELLED',
    message: /time that the caller gave/,
  })
  const reason = new MoorageError('CANCELLED', { reason: 'ours' })
  await t.rejects(transport.call('GET', '/v1/status', undefined, { signal: AbortSignal.abort(reason) }), {
    message: 'cancelled: ours',
  })
})

t.test('a daemon that dies in the middle', async (t) => {
  await using daemon = await fakeDaemon({
    'GET status': ({ response }) => void response.destroy(),
    'POST evaluate': ({ send, response }) => {
      send({ type: 'heartbeat' })
      setImmediate(() => response.destroy())
    },
  })
  const transport = createTransport(daemon.host)
  const broke = { code: 'DAEMON_UNREACHABLE', message: /the connection broke/ }
  await t.rejects(transport.call('GET', '/v1/status'), broke)
  await t.rejects(async () => {
    for await (const _ of transport.stream('POST', '/v1/evaluate', {}));
  }, broke)
})

t.test('a stream that has gone silent is given up, one that is read slowly is not', async (t) => {
  const rest = Promise.withResolvers<void>()
  await using daemon = await fakeDaemon({
    'GET runs': ({ send }) => send({ type: 'heartbeat' }),
    'GET services/y/logs': async ({ send }) => {
      send({ type: 'heartbeat' })
      await rest.promise
      send({ type: 'heartbeat' }, { type: 'heartbeat' })
    },
    'GET services/x/logs': async ({ response, send }) => {
      send({ type: 'heartbeat' })
      // More than the sockets' buffers hold: the rest waits for the reader.
      const line = `${JSON.stringify({ type: 'log', stream: 'stdout', time: 0, data: 'x'.repeat(100_000) })}\n`
      for (let i = 0; i < 100; i++) if (!response.write(line)) await once(response, 'drain')
      response.end()
    },
  })
  // Longer than this thread, which runs the daemon too, is ever busy.
  const transport = createTransport(daemon.host, { silence: 500 })
  await t.rejects(
    async () => {
      for await (const _ of transport.stream('GET', '/v1/runs'));
    },
    { code: 'DAEMON_UNREACHABLE', message: /nothing was heard of it for 0\.5 s/ },
  )

  let seen = 0
  for await (const _ of transport.stream('GET', '/v1/services/x/logs')) {
    seen += 1
    // Longer than the allowed silence.
    if (seen === 3) await new Promise((resolve) => setTimeout(resolve, 700))
  }
  t.equal(seen, 101)

  let read = 0
  await t.rejects(
    async () => {
      for await (const _ of transport.stream('GET', '/v1/services/y/logs')) {
        read += 1
        rest.resolve()
        if (read === 1) await new Promise((resolve) => setTimeout(resolve, 700))
      }
    },
    { code: 'DAEMON_UNREACHABLE' },
    'one that falls silent after it was read slowly, too',
  )
  t.equal(read, 3)
})

t.test('a program that was busy for longer looks at what has come meanwhile', async (t) => {
  const go = Promise.withResolvers<void>()
  await using daemon = await fakeDaemon({
    'GET runs': async ({ send, end }) => {
      send({ type: 'heartbeat' })
      await go.promise
      end({ type: 'heartbeat' })
    },
  })
  let seen = 0
  for await (const _ of createTransport(daemon.host, { silence: 100 }).stream('GET', '/v1/runs')) {
    seen += 1
    go.resolve()
    // By then the daemon has sent the rest, and nobody has read it.
    await new Promise(process.nextTick)
    if (seen === 1) for (const end = performance.now() + 300; performance.now() < end; );
  }
  t.equal(seen, 2)
})

t.test('a long line costs time in proportion to its length', async (t) => {
  const value = 'é'.repeat(16 * 1024 * 1024)
  await using daemon = await fakeDaemon({
    'POST evaluate': ({ end }) => end({ type: 'result', value, exitCode: 0 }),
  })
  const begin = performance.now()
  for await (const event of createTransport(daemon.host).stream('POST', '/v1/evaluate', {})) {
    t.ok(event.type === 'result' && event.value === value, '32 MB arrive whole')
  }
  t.comment(`${Math.round(performance.now() - begin)} ms`)
})

t.test('lines are the same however they are cut', async (t) => {
  const text = ['{"a":"é€😀"}', '', 'x', 'y'.repeat(100), 'the rest has no end'].join('\n')
  const bytes = Buffer.from(text)
  const expected = ['{"a":"é€😀"}', 'x', 'y'.repeat(100)]
  for (let size = 1; size < 130; size++) {
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
    const lines: string[] = []
    for await (const line of linesOf(Readable.from(chunks))) lines.push(line)
    t.same(lines, expected, `in pieces of ${size}`)
  }
})

t.test('many calls under one signal leave nothing on it', async (t) => {
  await using daemon = await fakeDaemon({ 'GET status': ({ document }) => document({}) })
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const { signal } = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners += 1
    addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners -= 1
    removeEventListener.apply(signal, args)
  }
  const transport = createTransport(daemon.host)
  await Promise.all(
    Array.from({ length: 50 }, () => transport.call('GET', '/v1/status', undefined, { signal })),
  )
  await until('all are removed', () => listeners === 0)
  t.same(warnings, [])
})

t.test('an upload is a stream', async (t) => {
  let size = 0
  await using daemon = await fakeDaemon({
    'PUT blobs/*': async ({ request, document }) => {
      size = (await buffer(request)).length
      document({})
    },
  })
  const transport = createTransport(daemon.host)
  const body = Readable.from(Array.from({ length: 50 }, () => Buffer.alloc(100_000)))
  await transport.upload('/v1/blobs/x', 'application/x-tar', body)
  t.equal(size, 5_000_000)
  t.equal(daemon.asked[0]?.headers['content-type'], 'application/x-tar')
})

t.test('an upload that fails on either side ends the other', async (t) => {
  const gone = Promise.withResolvers<void>()
  await using daemon = await fakeDaemon({
    'PUT blobs/broken': async ({ request, left }) => {
      request.resume().on('error', () => undefined)
      await left
      gone.resolve()
    },
    'PUT blobs/refused': ({ refuse }) => refuse(failure('DISK_FULL', { what: 'x', path: '/p' })),
    'PUT blobs/hanging': () => undefined,
  })
  const transport = createTransport(daemon.host)
  const broken = Readable.from(
    (async function* () {
      yield Buffer.alloc(10)
      await daemon.was('PUT blobs/broken')
      throw failure('DIRECTORY_UNREADABLE', { path: '/d', reason: 'tar: no' })
    })(),
    { objectMode: false },
  )
  await t.rejects(transport.upload('/v1/blobs/broken', 'x', broken), { code: 'DIRECTORY_UNREADABLE' })
  await gone.promise

  const endless = () =>
    new Readable({
      read() {
        this.push(Buffer.alloc(64 * 1024))
      },
    })
  const refused = endless()
  // The answer may be lost with the connection that the daemon closes.
  const codes = ['DISK_FULL', 'DAEMON_UNREACHABLE']
  await transport
    .upload('/v1/blobs/refused', 'x', refused)
    .catch(({ code }) => t.ok(codes.includes(code), code))
  t.ok(refused.destroyed, 'what nobody reads is not read on')

  const abort = new AbortController()
  const hanging = endless()
  const upload = transport.upload('/v1/blobs/hanging', 'x', hanging, { signal: abort.signal })
  await daemon.was('PUT blobs/hanging')
  abort.abort()
  await t.rejects(upload, { code: 'CANCELLED' })
  t.ok(hanging.destroyed)
})

t.test('an event is a line of JSON', async (t) => {
  await using daemon = await fakeDaemon({
    'GET runs': ({ response }) => void response.writeHead(200).end('{"type":"heartbeat"}\nnot json\n'),
  })
  const seen: StreamEvent[] = []
  await t.rejects(
    async () => {
      for await (const event of createTransport(daemon.host).stream('GET', '/v1/runs')) seen.push(event)
    },
    { code: 'DAEMON_UNREACHABLE' },
  )
  t.same(seen, [{ type: 'heartbeat' }])
})
