import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import {
  digestDirectory,
  type PortForward,
  type ServiceRow,
  type StreamEvent,
} from '../../src/definition/index.ts'
import { connect, ExecError, HealthError, type Moorage } from '../../src/index.ts'
import { removeTree } from '../remove-tree.ts'
import { type Exchange, failure, fakeDaemon, type Handler, until } from './fake-daemon.ts'

const digest = `sha256:${'ab'.repeat(32)}`
/** The first 80 bits of the digest in base32hex. */
const label = 'lelqnatblelqnatb'
const progress: StreamEvent = {
  type: 'progress',
  seq: 1,
  time: 1,
  id: 'x',
  kind: 'exec',
  name: 'x',
  state: 'running',
}
const result = (fields: object = {}): StreamEvent => ({
  type: 'result',
  value: 'out',
  exitCode: 0,
  ...fields,
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Connects to a fake daemon with these handlers. */
async function connected(handlers: Record<string, Handler>, options: Parameters<typeof connect>[0] = {}) {
  const daemon = await fakeDaemon(handlers)
  const moorage = await connect({ host: daemon.host, ...options })
  return {
    daemon,
    moorage,
    async [Symbol.asyncDispose]() {
      await moorage.close()
      await daemon[Symbol.asyncDispose]()
    },
  }
}

const ping = (moorage: Moorage) => moorage.container().from('redis:7').withExec(['redis-cli', 'ping'])
const resolved: Handler = ({ asked, document }) => {
  const { want } = asked.body as { want: string }
  document(
    want === 'ports'
      ? { value: 'x', ports: [{ port: 1, protocol: 'tcp' }] }
      : { value: want === 'digest' ? digest : want },
  )
}

t.test('the outputs of a container', async (t) => {
  await using it = await connected({
    'POST evaluate': ({ asked, end }) => {
      const { output } = asked.body as { output: string }
      end(progress, result({ value: output, exitCode: 7 }))
    },
  })
  const one = ping(it.moorage)
  t.equal(await one.stdout(), 'stdout')
  t.equal(await one.stderr(), 'stderr')
  t.equal(await one.exitCode(), 7)
  t.equal(await one.sync(), one)
  t.same(it.daemon.asked.at(-1)?.body, {
    definition: {
      ops: [
        { op: 'image', ref: 'redis:7' },
        { op: 'exec', input: 0, args: ['redis-cli', 'ping'] },
      ],
      root: 1,
    },
    output: 'sync',
    network: 'default',
  })
  t.equal(it.daemon.asked.at(-1)?.headers['moorage-session'], 'session-1')
})

t.test('who wants to know hears of every event but heartbeats', async (t) => {
  const all: string[] = []
  const own: string[] = []
  await using it = await connected(
    {
      'POST evaluate': ({ end }) =>
        end({ type: 'heartbeat' }, progress, { type: 'log', stream: 'stdout', time: 1, data: '' }, result()),
    },
    { onEvent: ({ type }) => all.push(type) },
  )
  await ping(it.moorage).stdout({ onEvent: ({ type }) => own.push(type) })
  t.same(own, ['progress', 'log'])
  t.same(all, ['progress', 'log'])
})

t.test('an error of the stream is thrown as its kind', async (t) => {
  const errors = [
    failure('EXEC_FAILED', { command: 'x', args: ['x', 'y'], exitCode: 3, stdout: 'out', stderr: 'err' }),
    failure('HEALTH_TIMEOUT', {
      breadcrumbs: 'start x',
      timeout: '60 s',
      checks: '80/tcp',
      log: 'last words',
    }),
  ]
  let next = 0
  await using it = await connected({
    'POST evaluate': ({ end }) => {
      const error = errors[next++]
      if (error) end({ type: 'error', error: error.toJSON() })
    },
  })
  // The class of an error follows from its code.
  const exec = await ping(it.moorage)
    .stdout()
    .catch((error) => error)
  t.ok(exec instanceof ExecError)
  t.match(exec, {
    code: 'EXEC_FAILED',
    args: ['x', 'y'],
    exitCode: 3,
    stdout: 'out',
    stderr: 'err',
    message: 'x exited with code 3',
  })
  const health = await ping(it.moorage)
    .stdout()
    .catch((error) => error)
  t.ok(health instanceof HealthError)
  t.match(health, { log: 'last words' })
})

t.test('a stream without a result is no result', async (t) => {
  await using it = await connected({ 'POST evaluate': ({ end }) => end(progress) })
  await t.rejects(ping(it.moorage).stdout(), {
    code: 'DAEMON_UNREACHABLE',
    message: /before the answer came/,
  })
})

t.test('a call that is cancelled ends alone, and at once', async (t) => {
  const went: unknown[] = []
  const exchanges: Exchange[] = []
  await using it = await connected({
    'POST evaluate': (exchange) => {
      exchanges.push(exchange)
      exchange.send(progress)
      void exchange.left.then(() => went.push(exchange.asked.body))
    },
  })
  const abort = new AbortController()
  const cancelled = ping(it.moorage).stdout({ signal: abort.signal })
  const other = ping(it.moorage).stderr()
  await it.daemon.was('POST evaluate', 2)
  abort.abort(new Error('enough'))
  await t.rejects(cancelled, { code: 'CANCELLED', cause: { message: 'enough' } })
  await until('the daemon saw it', () => went.length === 1)
  t.match(went, [{ output: 'stdout' }])
  for (const exchange of exchanges) if (!exchange.response.destroyed) exchange.end(result())
  t.equal(await other, 'out')
})

t.test('closing the connection ends its calls and its session', async (t) => {
  await using it = await connected({ 'POST evaluate': ({ send }) => send(progress) })
  const call = ping(it.moorage).stdout()
  await it.daemon.was('POST evaluate')
  const settled = Promise.allSettled([call])
  await it.moorage.close()
  t.match(await settled, [
    { status: 'rejected', reason: { code: 'CANCELLED', message: 'cancelled: the connection was closed' } },
  ])
  await until('the session has ended', () => it.daemon.sessions() === 0)
  await t.rejects(ping(it.moorage).stdout(), { code: 'CANCELLED' }, 'nothing more is asked')
  await it.moorage.close()
})

t.test('the signal of connect() ends everything too', async (t) => {
  const abort = new AbortController()
  await using it = await connected(
    { 'POST evaluate': ({ send }) => send(progress) },
    { signal: abort.signal },
  )
  const settled = Promise.allSettled([ping(it.moorage).stdout()])
  await it.daemon.was('POST evaluate')
  abort.abort()
  t.match(await settled, [{ reason: { code: 'CANCELLED', message: 'cancelled: by the caller' } }])
  await until('the session has ended', () => it.daemon.sessions() === 0)
})

t.test('names and endpoints are asked of the daemon', async (t) => {
  await using it = await connected({ 'POST resolve': resolved }, { network: 'job-42' })
  const one = it.moorage.container().from('redis:7').withExposedPort(6379)
  t.equal(await one.digest(), digest)
  t.equal(await one.hostname(), 'hostname')
  t.equal(await one.endpoint({ port: 1, scheme: 'http', from: 'host' }), 'endpoint')
  t.same(it.daemon.asked.at(-1)?.body, {
    definition: {
      ops: [
        { op: 'image', ref: 'redis:7' },
        { op: 'exec', input: 0 },
      ],
      root: 1,
    },
    service: { ports: [{ port: 6379, protocol: 'tcp' }] },
    network: 'job-42',
    want: 'endpoint',
    port: 1,
    scheme: 'http',
    from: 'host',
  })
  t.same(await one.asService().ports(), [{ port: 1, protocol: 'tcp' }])
})

t.test('a service is stopped, restarted and read by its label, in its network', async (t) => {
  const seen: [string, string, object][] = []
  const note: Handler = ({ asked, document }) => {
    seen.push([asked.method, asked.path, asked.query])
    document({})
  }
  await using it = await connected(
    { 'POST resolve': resolved, 'DELETE services/*': note, 'POST services/*/restart': note },
    { network: 'a&b' },
  )
  const service = ping(it.moorage).asService()
  await service.stop()
  await service.stop({ kill: true })
  await service.restart()
  t.same(seen, [
    ['DELETE', `services/${label}`, { network: 'a&b' }],
    ['DELETE', `services/${label}`, { kill: '1', network: 'a&b' }],
    ['POST', `services/${label}/restart`, { network: 'a&b' }],
  ])
})

t.test('stopping what does not run is a no-op, other failures are told', async (t) => {
  let error = failure('SERVICE_NOT_FOUND', { id: 'x' })
  await using it = await connected({
    'POST resolve': resolved,
    'DELETE services/*': ({ refuse }) => refuse(error),
  })
  await ping(it.moorage).asService().stop()
  error = failure('DAEMON_STOPPING')
  await t.rejects(ping(it.moorage).asService().stop(), { code: 'DAEMON_STOPPING' })
})

const row = { label: 'aaaaaaaaaaaaaaaa' } as ServiceRow
const started: Handler = ({ end }) => end(progress, result({ service: row, lease: 'lease-1' }))

t.test('a started service is held until its handle is disposed of', async (t) => {
  await using it = await connected({
    'POST services': started,
    'DELETE services/*': ({ document }) => document({}),
    'DELETE session/*/leases/lease-1': ({ document }) => document({}),
  })
  {
    await using running = await ping(it.moorage).asService({ grace: '1s' }).start()
    t.match(it.daemon.asked.at(-1), {
      body: { service: { grace: 1_000 }, network: 'default', detach: false },
      headers: { 'moorage-session': 'session-1' },
    })
    await running.stop()
    t.equal(
      it.daemon.asked.at(-1)?.path,
      `services/${row.label}`,
      'what was started is meant, whatever a tag means by now',
    )
  }
  t.match(it.daemon.asked.at(-1), { method: 'DELETE', path: 'session/session-1/leases/lease-1' })
})

t.test('a detached one has nothing to let go of', async (t) => {
  await using it = await connected({ 'POST services': ({ end }) => end(result({ service: row })) })
  {
    await using _running = await ping(it.moorage).asService().start({ detach: true })
  }
  t.match(it.daemon.asked.at(-1), { path: 'services', body: { detach: true } })
})

t.test('when the connection is closed first, its leases are gone already', async (t) => {
  await using it = await connected({ 'POST services': started })
  const running = await ping(it.moorage).asService().start()
  await it.moorage.close()
  await running[Symbol.asyncDispose]()
  t.equal(it.daemon.asked.at(-1)?.path, 'services')
})

t.test('who starts a service hears when the daemon ends the session', async (t) => {
  await using it = await connected({ 'POST services': ({ send }) => send(progress) })
  const settled = Promise.allSettled([ping(it.moorage).asService().start()])
  await it.daemon.was('POST services')
  it.daemon.endSessions()
  t.match(await settled, [{ status: 'rejected', reason: { code: 'DAEMON_UNREACHABLE' } }])
  await t.rejects(ping(it.moorage).asService().start(), { code: 'DAEMON_UNREACHABLE' }, 'and ever after')
})

t.test('logs are pieces of output, with their streams and times', async (t) => {
  let query = {}
  await using it = await connected({
    'POST resolve': resolved,
    'GET services/*/logs': ({ asked, end }) => {
      query = asked.query
      const data = Buffer.from([0xff, 0x0a]).toString('base64')
      end(
        { type: 'heartbeat' },
        { type: 'run', run: 'r-1', startedAt: 900, offset: 0 },
        { type: 'log', stream: 'stderr', time: 1_000, data, position: 'r-1@15' },
        { type: 'gap', missing: 10, position: 'r-1@25' },
      )
    },
  })
  const lines = await collect(
    ping(it.moorage)
      .asService()
      .logs({ follow: true, since: new Date(5) }),
  )
  t.same(lines, [
    { type: 'run', run: 'r-1', startedAt: new Date(900) },
    {
      type: 'output',
      stream: 'stderr',
      time: new Date(1_000),
      data: Buffer.from([0xff, 0x0a]),
      position: 'r-1@15',
    },
    { type: 'gap', missing: 10, position: 'r-1@25' },
  ])
  t.same(query, { follow: '1', since: '5', network: 'default' })
  await collect(ping(it.moorage).asService().logs({ since: 7 }))
  t.same(query, { since: '7', network: 'default' })
  await collect(ping(it.moorage).asService().logs({ after: 'r-1@25' }))
  t.same(query, { after: 'r-1@25', network: 'default' })
})

t.test('missing logs are an error; a reader that stops closes its request', async (t) => {
  let times = 0
  const gone = Promise.withResolvers<void>()
  await using it = await connected({
    'POST resolve': resolved,
    'GET services/*/logs': async ({ send, end, left }) => {
      times += 1
      if (times === 1)
        return end({ type: 'error', error: failure('SERVICE_NOT_FOUND', { id: 'x' }).toJSON() })
      send({ type: 'log', stream: 'stdout', time: 0, data: '' })
      await left
      gone.resolve()
    },
  })
  const service = ping(it.moorage).asService()
  await t.rejects(collect(service.logs()), { code: 'SERVICE_NOT_FOUND' })
  for await (const _ of service.logs({ follow: true })) break
  await gone.promise
  t.pass('the daemon saw it go')
})

t.test('a tunnel is a request that stays open', async (t) => {
  const gone = Promise.withResolvers<void>()
  await using it = await connected({
    'POST up': async ({ send, left }) => {
      send(progress, result({ ports: [{ host: 40_001, service: 80, address: '127.0.0.1' }] }))
      await left
      gone.resolve()
    },
  })
  const seen: string[] = []
  {
    await using tunnel = await ping(it.moorage)
      .asService()
      .up({ ports: [{ host: 0, service: 80 }], onEvent: ({ type }) => seen.push(type) })
    t.same(tunnel.ports, [{ host: 40_001, service: 80, address: '127.0.0.1' }])
    t.match(it.daemon.asked.at(-1)?.body, {
      ports: [{ host: 0, service: 80 }],
      network: 'default',
      service: {},
    })
    t.same(seen, ['progress'])
  }
  await gone.promise
  t.pass('the daemon saw it go')
})

t.test('a tunnel is closed when the daemon has closed its ports', async (t) => {
  const port = { host: 40_001, service: 80, address: '127.0.0.1' }
  // The daemon’s lists, from one question to the next.
  const listed: PortForward[][] = [
    [port, { ...port, host: 40_002 }],
    [{ ...port, protocol: 'tcp' }],
    [
      { ...port, host: 40_002 },
      { ...port, protocol: 'udp' },
      { ...port, address: '127.0.0.2' },
    ],
  ]
  await using it = await connected({
    'POST up': ({ send }) => send(result({ ports: [port], service: { label, network: 'default' } })),
    'GET services/*': ({ document }) => document({ service: { ports: [], hostPorts: listed.shift() } }),
  })
  const tunnel = await ping(it.moorage).asService().up()
  await tunnel.close()
  t.same(listed, [], 'others’ ports are not waited for')
  t.match(it.daemon.asked.at(-1), { path: `services/${label}`, query: { network: 'default' } })
})

t.test('a tunnel that breaks tells why', async (t) => {
  const exchanges: Exchange[] = []
  await using it = await connected({
    'POST up': (exchange) => {
      exchanges.push(exchange)
      exchange.send(result({ ports: [] }))
    },
  })
  const service = ping(it.moorage).asService()
  const open = async () => {
    const tunnel = await service.up()
    const exchange = exchanges.at(-1)
    if (!exchange) throw new Error('nothing was asked')
    return { tunnel, exchange }
  }
  const failed = await open()
  failed.exchange.end({
    type: 'error',
    error: failure('SERVICE_EXITED', { breadcrumbs: 'x', exitCode: 1, when: 'y' }).toJSON(),
  })
  t.match(await failed.tunnel.closed, { code: 'SERVICE_EXITED' })
  const ended = await open()
  ended.exchange.end()
  t.match(await ended.tunnel.closed, { code: 'DAEMON_UNREACHABLE' })
  const closed = await open()
  await closed.tunnel.close()
  t.equal(await closed.tunnel.closed, undefined)
  const last = await open()
  await it.moorage.close()
  t.equal(await last.tunnel.closed, undefined)
})

t.test('a tunnel that cannot be opened, or not by this daemon', async (t) => {
  await using it = await connected({
    'POST up': ({ end }) => end({ type: 'error', error: failure('NO_PORT', { service: 'x' }).toJSON() }),
  })
  await t.rejects(ping(it.moorage).asService().up(), { code: 'NO_PORT' })
  await using older = await connected({})
  await t.rejects(ping(older.moorage).asService().up(), { code: 'NOT_YET' })
})

t.test('status is asked of the daemon', async (t) => {
  await using it = await connected({ 'GET status': ({ document }) => document({ pid: 7 }) })
  t.match(await it.moorage.status(), { pid: 7 })
})

/** Makes a directory with files, and handlers of a fake daemon that accepts the blobs that it lacks. */
function directoryTest(content = 'x') {
  const path = mkdtempSync(join(tmpdir(), 'moorage-upload-'))
  writeFileSync(join(path, '-file'), content)
  writeFileSync(join(path, 'with\\n"odd" name'), content)
  const has = new Set<string>()
  const received: Buffer[] = []
  const handlers: Record<string, Handler> = {
    'POST blobs/missing': ({ asked, document }) => {
      const { digests } = asked.body as { digests: string[] }
      document({ missing: digests.filter((one) => !has.has(one)) })
    },
    'PUT blobs/*': async ({ asked, request, document }) => {
      received.push(await buffer(request))
      has.add(asked.path.split('/')[1] ?? '')
      document({})
    },
    'POST evaluate': ({ end }) => end(result()),
  }
  return {
    path,
    has,
    received,
    handlers,
    [Symbol.dispose]: () => removeTree(path),
  }
}

t.test('a directory is read here and sent when the daemon lacks it, once for many calls', async (t) => {
  using it = directoryTest()
  await using fake = await connected(it.handlers)
  const root = fake.moorage.container().withRootfs(fake.moorage.host.directory(it.path))
  await Promise.all(Array.from({ length: 20 }, (_, i) => root.withExec([String(i)]).stdout()))
  t.equal(it.received.length, 1)
  t.match(it.received[0]?.toString('latin1'), './-file')
  t.match(it.received[0]?.toString('latin1'), './with\\n"odd" name', 'names are taken as they are')
  const { definition } = (fake.daemon.asked.at(-1)?.body ?? {}) as { definition: { ops: object[] } }
  t.same(definition.ops.slice(0, 2), [
    { op: 'host', digest: [...it.has][0] },
    { op: 'rootfs', directory: 0 },
  ])
  await root.withExec(['again']).stdout()
  t.equal(it.received.length, 1, 'nor again')
})

t.test('an empty directory can be sent', async (t) => {
  using it = directoryTest()
  await using fake = await connected(it.handlers)
  const nothing = fake.moorage.host.directory(it.path, { include: ['none'] })
  await fake.moorage.container().withRootfs(nothing).withExec(['x']).stdout()
  t.equal(it.received.length, 1)
})

t.test('what the daemon has thrown away meanwhile is sent again', async (t) => {
  using it = directoryTest()
  let lost = true
  await using fake = await connected({
    ...it.handlers,
    'POST evaluate': ({ end }) => {
      if (!lost) return end(result())
      lost = false
      it.has.clear()
      end({ type: 'error', error: failure('BLOB_MISSING', { digest }).toJSON() })
    },
  })
  const root = fake.moorage.container().withRootfs(fake.moorage.host.directory(it.path))
  t.equal(await root.withExec(['x']).stdout(), 'out')
  t.equal(it.received.length, 2)
})

t.test('a directory that changed while it was read can be tried again', async (t) => {
  using it = directoryTest()
  let refuse = true
  await using fake = await connected({
    ...it.handlers,
    'PUT blobs/*': async (exchange) => {
      if (!refuse) return it.handlers['PUT blobs/*']?.(exchange)
      refuse = false
      await buffer(exchange.request)
      exchange.refuse(failure('BLOB_MISMATCH', { digest, actual: digest }))
    },
  })
  const root = fake.moorage.container().withRootfs(fake.moorage.host.directory(it.path)).withExec(['x'])
  await t.rejects(root.stdout(), { code: 'BLOB_MISMATCH' })
  writeFileSync(join(it.path, '-file'), 'changed')
  t.equal(await root.stdout(), 'out')
  t.match(it.received[0]?.toString('latin1'), 'changed')
  t.same([...it.has], [(await digestDirectory(it.path)).rooted], 'under the digest of what is there now')
})

t.test('a directory that cannot be read is told as that', async (t) => {
  using it = directoryTest()
  await using fake = await connected(it.handlers)
  const container = (path: string) =>
    fake.moorage.container().withRootfs(fake.moorage.host.directory(path)).withExec(['x'])
  await t.rejects(container('/no/such/directory').stdout(), {
    code: 'DIRECTORY_UNREADABLE',
    message: /does not exist/,
  })
  // The directory is read, and removed before it is sent.
  const directory = fake.moorage.host.directory(it.path)
  await directory.digest()
  rmSync(join(it.path, '-file'))
  await t.rejects(fake.moorage.container().withRootfs(directory).withExec(['x']).stdout(), {
    code: 'DIRECTORY_UNREADABLE',
    message: /tar: .*-file/,
  })
})
