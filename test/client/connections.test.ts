import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createTransport } from '../../src/client/index.ts'
import { removeTree } from '../remove-tree.ts'
import { until } from './fake-daemon.ts'

/** Starts a server that counts its connections. */
async function server() {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-connections-'))
  const sockets = new Set<Socket>()
  const slow: (() => void)[] = []
  const seen = { connections: 0, requests: 0, left: 0 }
  const http = createServer((request, response) => {
    seen.requests += 1
    response.on('close', () => {
      if (!response.writableFinished) seen.left += 1
    })
    if (request.url === '/stream') response.end('{"type":"heartbeat"}\n{"type":"session","id":"x"}\n')
    else if (request.url === '/open') response.write('{"type":"session","id":"x"}\n')
    else if (request.url === '/slow') {
      response.write('{"type":"heartbeat"}\n')
      slow.push(() => response.end('{"type":"session","id":"x"}\n'))
    } else if (request.url === '/cut') request.socket.destroy()
    else response.end('{"ok":true}')
  })
  http.on('connection', (socket) => {
    seen.connections += 1
    sockets.add(socket)
  })
  http.listen(join(directory, 'socket'))
  await once(http, 'listening')
  return {
    seen,
    sockets,
    /** Ends the answers to `/slow`. */
    finish: () => {
      for (const end of slow) end()
    },
    transport: createTransport(`unix://${join(directory, 'socket')}`),
    async [Symbol.asyncDispose]() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
      removeTree(directory)
    },
  }
}

async function firstOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item
  return undefined
}

t.test('calls and streams that came to their end leave their connection to the next', async (t) => {
  await using it = await server()
  for (let n = 0; n < 5; n += 1) {
    t.same(await it.transport.call('GET', '/ok'), { ok: true })
    t.match(await firstOf(it.transport.stream('GET', '/stream')), { type: 'heartbeat' })
  }
  t.equal(it.seen.requests, 10)
  t.ok(it.seen.connections <= 2, 'one, and one while the other is read to its end')
  t.equal(it.seen.left, 0)
})

t.test('a stream that is left, or whose caller goes, ends its connection', async (t) => {
  await using it = await server()
  await firstOf(it.transport.stream('GET', '/open'))
  await until('the server has noticed', () => it.seen.left === 1)
  const abort = new AbortController()
  const events = it.transport.stream('GET', '/open', undefined, { signal: abort.signal })
  await t.rejects(
    (async () => {
      for await (const _ of events) abort.abort()
    })(),
    { code: 'CANCELLED' },
  )
  await until('the server has noticed', () => it.seen.left === 2)
})

t.test('a caller that goes after the answer disturbs nobody who has its connection now', async (t) => {
  await using it = await server()
  const abort = new AbortController()
  for (let n = 0; n < 3; n += 1) await it.transport.call('GET', '/ok', undefined, { signal: abort.signal })
  const next = firstOf(it.transport.stream('GET', '/stream'))
  abort.abort()
  t.ok(await next)
  t.equal(it.seen.connections, 1)
})

t.test(
  'a connection that was closed while it was free is not used; one that breaks in use is told',
  async (t) => {
    await using it = await server()
    for (let n = 0; n < 20; n += 1) {
      t.same(await it.transport.call('GET', '/ok'), { ok: true })
      for (const socket of it.sockets) socket.destroy()
    }
    t.equal(it.seen.requests, 20)
    await t.rejects(it.transport.call('GET', '/cut'), { code: 'DAEMON_UNREACHABLE' })
  },
)

t.test('a free connection that went stale takes no other call along (L17)', async (t) => {
  await using it = await server()
  const long = ['GET', 'POST', 'GET'].map(async (method) => {
    const types: string[] = []
    for await (const { type } of it.transport.stream(method, '/slow')) types.push(type)
    return types
  })
  await until('all have begun', () => it.seen.requests === 3)
  const inUse = [...it.sockets]
  for (let n = 0; n < 5; n += 1) {
    // Several are free at once, and all of them are closed before this program looks again.
    await Promise.all([1, 2, 3].map(() => it.transport.call('GET', '/ok')))
    for (const socket of it.sockets) if (!inUse.includes(socket)) socket.destroy()
    const answers = await Promise.all([1, 2, 3, 4].map(() => it.transport.call('GET', '/ok')))
    t.same(answers, Array(4).fill({ ok: true }))
  }
  it.finish()
  t.same(await Promise.all(long), Array(3).fill(['heartbeat', 'session']))
  t.equal(it.seen.left, 0)
})

t.test('a free connection keeps no program running', async (t) => {
  await using it = await server()
  const door = new URL('../../src/client/index.ts', import.meta.url).href
  const program = `
    import { createTransport } from '${door}'
    await createTransport('${it.transport.host}').call('GET', '/ok')
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  t.equal(code, 0, 'it ended by itself')
})
