/** Whatever says "because" carries the error that it speaks of; and what is asked upstream says nothing of its client. */
import { createSocket } from 'node:dgram'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createDnsServer, followHosts } from '../../dns/index.ts'
import { askTcp, askUdp } from '../../dns/upstream/exchange.ts'
import { freePort } from '../free-port.ts'
import { removeTree } from '../remove-tree.ts'
import { udpClient } from './clients.ts'
import { answerTo, fakeUpstream } from './fake-upstream.ts'
import { opt, question } from './wire.ts'

const message = question('www.example.com')
const asked = { message, questionEnd: message.length }

t.test('an upstream that fails: why', async (t) => {
  const nobody = { address: '127.0.0.1', port: await freePort() }
  const never = new AbortController().signal
  for (const ask of [askUdp, askTcp]) {
    await t.rejects(ask(nobody, asked, never), {
      code: 'UPSTREAM_FAILED',
      message: /ECONNREFUSED/,
      cause: { code: 'ECONNREFUSED' },
    })
    const reason = new Error('no longer wanted')
    await t.rejects(ask(nobody, asked, AbortSignal.abort(reason)), { code: 'UPSTREAM_FAILED', cause: reason })
  }
  const server = createServer((socket) => socket.end())
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  await t.rejects(askTcp({ address: '127.0.0.1', port }, asked, never), {
    code: 'UPSTREAM_FAILED',
    message: /over TCP: the connection was closed before the answer was complete/,
    cause: { message: /closed before/ },
  })
})

t.test('a place to listen that is none: why', async (t) => {
  await using busy = await createDnsServer({ zones: ['z.test'], listen: [{ address: '127.0.0.1', port: 0 }] })
  const port = busy.addresses[0]?.port ?? 0
  const listen = (where: object) => createDnsServer({ zones: ['z.test'], listen: [where as never] })
  await t.rejects(listen({ address: '127.0.0.1', port }), {
    code: 'ADDRESS_IN_USE',
    cause: { code: 'EADDRINUSE' },
  })
  await t.rejects(listen({ address: '192.0.2.1', port: 0 }), {
    code: 'LISTEN_FAILED',
    cause: { code: 'EADDRNOTAVAIL' },
  })
  await t.rejects(listen({ udp: createSocket('udp4') }), { code: 'LISTEN_FAILED', cause: { code: 'EBADF' } })
  await t.rejects(listen({ udp: { fd: 123_456 } }), { code: 'LISTEN_FAILED', cause: Error })
  await t.rejects(listen({ tcp: { fd: 123_456 } }), { code: 'LISTEN_FAILED', cause: { code: /^E/ } })
})

t.test('a hosts file that cannot be read: why', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-causes-'))
  t.teardown(() => removeTree(directory))
  await using dns = await createDnsServer({ zones: ['z.test'] })
  t.throws(() => followHosts(dns, [directory]), { code: 'HOSTS_FILE', cause: { code: 'EISDIR' } })
})

t.test(
  'an id that a client uses for all of its queries is not that of any question upstream (RFC 5452, 9.2)',
  async (t) => {
    await using upstream = await fakeUpstream((query) => answerTo(query, ['192.0.2.1']))
    await using dns = await createDnsServer({
      zones: ['z.test'],
      listen: [{ address: '127.0.0.1', port: 0 }],
      upstreams: [upstream.where],
    })
    dns.zone('z.test').setCname('out', 'end.example.com.')
    using client = await udpClient(dns.addresses[0]?.port ?? 0)
    for (let count = 1; count <= 20; count++) {
      client.send(question(`name${count}.example.com`, 'A', { id: 0x4242, rest: [opt()] }))
      const answers = await client.received(count)
      t.equal(answers[count - 1]?.readUInt16BE(0), 0x4242)
    }
    client.send(question('out.z.test', 'A', { id: 0x4242 }))
    t.equal((await client.received(21))[20]?.readUInt16BE(0), 0x4242)
    const ids = upstream.queries.map((query) => query.message.readUInt16BE(0))
    t.equal(ids.length, 21)
    t.ok(ids.filter((id) => id === 0x4242).length <= 1, 'but by chance')
    t.ok(new Set(ids).size >= 19, 'and they differ')
    t.ok(new Set(upstream.queries.map(({ port }) => port)).size >= 19, 'and so do ports')
  },
)
