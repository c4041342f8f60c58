import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { createDnsServer, type DnsServerOptions, type QueryEvent } from '../../dns/index.ts'
import { dig, tcpClient, udpClient, until } from './clients.ts'
import { answerTo, fakeUpstream, frame } from './fake-upstream.ts'
import { ManualClock } from './manual-clock.ts'
import { header, opt, question } from './wire.ts'

const name = 'db.dev.internal'

async function serving(options: Partial<DnsServerOptions> = {}) {
  const dns = await createDnsServer({
    zones: ['dev.internal'],
    reverse: ['10.0.0.0/16'],
    listen: [{ address: '127.0.0.1', port: 0 }],
    ...options,
  })
  dns.zone('dev.internal').set('db', ['10.0.0.7', 'fd00::7'])
  return { dns, port: dns.addresses[0]?.port ?? 0, [Symbol.asyncDispose]: () => dns.close() }
}

t.test('dig is content, over UDP and TCP', async (t) => {
  await using server = await serving()
  const { dns, port } = server
  dns.zone('dev.internal').set(
    'many',
    Array.from({ length: 100 }, (_, index) => `10.0.9.${index}`),
  )
  dns.views.set('127.0.0.1', { postgres: 'db' })
  const cases: [args: string[], status: string, answers: string[]][] = [
    [[name], 'NOERROR', ['db.dev.internal. 0 IN A 10.0.0.7']],
    [['postgres', 'AAAA'], 'NOERROR', ['postgres. 0 IN AAAA fd00::7']],
    [['-x', '10.0.0.7'], 'NOERROR', ['7.0.0.10.in-addr.arpa. 0 IN PTR db.dev.internal.']],
    [[name, 'HTTPS'], 'NOERROR', []],
    [['x.dev.internal'], 'NXDOMAIN', []],
  ]
  for (const [args, status, answers] of cases) {
    for (const transport of ['+notcp', '+tcp']) {
      const found = await dig(port, ...args, transport, '+norecurse')
      t.same([found.status, found.answers], [status, answers], `${args.join(' ')} ${transport}`)
      t.notMatch(found.text, /WARNING|malformed|mismatch/i)
    }
  }
  t.match((await dig(port, 'many.dev.internal', '+ignore')).text, /flags: qr aa tc/, 'truncated')
  t.equal((await dig(port, 'many.dev.internal')).answers.length, 100, 'and asked again over TCP')
  t.equal((await dig(port, 'dev.internal', 'AXFR')).answers.length, 0)
})

t.test('before each message from a socket its owner may make changes, which the answer knows', async (t) => {
  let changes = 0
  await using server = await serving({
    beforeAnswer() {
      changes += 1
      server.dns.zone('dev.internal').set('db', [`10.0.0.${changes}`])
    },
  })
  const { dns, port } = server
  for (const [count, transport] of [
    [1, '+notcp'],
    [2, '+tcp'],
  ] as const) {
    const { answers } = await dig(port, name, '+noedns', transport)
    t.same(answers, [`${name}. 0 IN A 10.0.0.${count}`], transport)
  }
  await dns.query(name)
  t.equal(changes, 2, 'what the owner asks needs no taking over')
})

t.test('IPv6, and several listeners', async (t) => {
  await using server = await serving({
    listen: [
      { address: '127.0.0.1', port: 0 },
      { address: '::1', port: 0 },
      { address: '127.0.0.2', port: 0 },
    ],
  })
  server.dns.views.set('::1', { six: 'db' })
  server.dns.views.set('127.0.0.2', { four: 'db' })
  const [, six, four] = server.dns.addresses
  t.match(six, { address: '::1' })
  t.equal((await dig(six?.port ?? 0, '@::1', 'six')).status, 'NOERROR')
  t.equal((await dig(six?.port ?? 0, '@::1', 'six', '+tcp')).status, 'NOERROR')
  const asked = ['@127.0.0.2', '-b', '127.0.0.2', 'four']
  t.equal(
    (await dig(four?.port ?? 0, ...asked)).status,
    'NOERROR',
    'answered from the address that was asked',
  )
  t.equal((await dig(four?.port ?? 0, ...asked, '+tcp')).status, 'NOERROR')
  t.equal((await dig(four?.port ?? 0, '@127.0.0.2', '-b', '127.0.0.3', 'four')).status, 'NXDOMAIN')
})

t.test('queries in one segment, or octet by octet, are each answered (7766)', async (t) => {
  await using server = await serving()
  using client = await tcpClient(server.port)
  client.send(...Array.from({ length: 200 }, (_, id) => question(name, 'A', { id })))
  const answers = await client.received(200)
  t.same(
    answers.map((answer) => header(answer).id),
    Array.from({ length: 200 }, (_, id) => id),
  )
  for (const octet of frame(question(name, 'A', { id: 500 }))) {
    client.socket.write(Buffer.of(octet))
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(header((await client.received(201))[200] as Buffer).id, 500)
})

t.test('answers come as they are ready, not in the order of the queries', async (t) => {
  const held: Buffer[] = []
  await using upstream = await fakeUpstream((query) => void held.push(query))
  await using server = await serving({ upstreams: [upstream.where] })
  using client = await tcpClient(server.port)
  client.send(question('www.example.com', 'A', { id: 1 }), question(name, 'A', { id: 2 }))
  t.equal(header((await client.received(1))[0] as Buffer).id, 2)
  await until(() => held.length === 1, 'the forwarded query')
  upstream.say(answerTo(held[0] as Buffer, ['192.0.2.1']))
  t.equal(header((await client.received(2))[1] as Buffer).id, 1)
})

t.test('a client that has said its last word still gets its answers', async (t) => {
  const held: Buffer[] = []
  await using upstream = await fakeUpstream((query) => void held.push(query))
  await using server = await serving({ upstreams: [upstream.where] })
  using client = await tcpClient(server.port)
  client.send(question('www.example.com', 'A', { id: 1 }), question(name, 'A', { id: 2 }))
  client.socket.end()
  await until(() => held.length === 1, 'the forwarded query')
  upstream.say(answerTo(held[0] as Buffer, ['192.0.2.1']))
  await client.ended
  t.same(
    client.answers.map((answer) => header(answer).id),
    [2, 1],
  )
})

t.test('a connection with 32 queries at an upstream is read no further', async (t) => {
  await using upstream = await fakeUpstream(() => undefined)
  const clock = new ManualClock()
  await using server = await serving({ upstreams: [upstream.where], clock })
  using client = await tcpClient(server.port)
  client.send(...Array.from({ length: 40 }, (_, id) => question(`a${id}.example.com`, 'A', { id })))
  client.send(question(name, 'A', { id: 1000 }))
  await until(() => upstream.queries.length === 32, '32 queries')
  t.equal((await dig(server.port, name, '+tcp')).status, 'NOERROR', 'others are answered')
  t.equal(server.dns.counters.queries, 33)
  clock.advance(4500)
  await until(() => server.dns.counters.queries === 42, 'the rest is read')
  clock.advance(4500)
  t.equal((await client.received(41)).filter((answer) => header(answer).rcode === 2).length, 40)
})

t.test('a connection is idle for ten seconds, whatever drips in', async (t) => {
  const clock = new ManualClock()
  await using server = await serving({ clock })
  using client = await tcpClient(server.port)
  client.send(question(name))
  await client.received(1)
  clock.advance(6000)
  client.send(question(name))
  await client.received(2)
  clock.advance(6000)
  client.socket.write(Buffer.from('0020', 'hex'))
  await dig(server.port, name)
  t.equal(client.socket.destroyed || client.socket.readableEnded, false, 'its last query was six seconds ago')
  clock.advance(4000)
  await client.ended
  t.pass('half a query does not count')
})

t.test('a thousand idle connections keep nobody out (CVE-2024-8418)', async (t) => {
  await using server = await serving()
  const clients = await Promise.all(Array.from({ length: 1000 }, () => tcpClient(server.port)))
  t.teardown(() => {
    for (const { socket } of clients) socket.destroy()
  })
  await until(() => server.dns.counters.connections === 1000, 'a thousand connections')
  t.equal(server.dns.counters.connectionsRefused, 984, 'sixteen stay')
  for (const transport of ['+tcp', '+notcp'])
    t.equal((await dig(server.port, name, transport)).status, 'NOERROR')
})

t.test('with all its connections busy, a client gets no more', async (t) => {
  await using upstream = await fakeUpstream(() => undefined)
  await using server = await serving({ upstreams: [upstream.where], limits: { connectionsPerClient: 2 } })
  const busy = [await tcpClient(server.port), await tcpClient(server.port)]
  for (const [index, client] of busy.entries()) client.send(question(`a${index}.example.com`))
  await until(() => upstream.queries.length === 2, 'both wait')
  using third = await tcpClient(server.port)
  await third.ended
  t.match(server.dns.counters, { connections: 2, connectionsRefused: 1 })
  for (const { socket } of busy) socket.resetAndDestroy()
  for (let served = false; !served; ) {
    using next = await tcpClient(server.port)
    next.send(question(name))
    await Promise.race([next.received(1), next.ended])
    served = next.answers.length === 1
  }
  t.pass('once they are gone, it gets another')
})

t.test('half a frame and a reset harm nobody (CVE-2026-35406)', async (t) => {
  await using server = await serving()
  for (const start of ['00', '00ff', '00ff12', '0000', 'ffff']) {
    using client = await tcpClient(server.port)
    client.socket.write(Buffer.from(start, 'hex'))
    await dig(server.port, name)
    client.socket.resetAndDestroy()
  }
  const before = process.cpuUsage()
  t.equal((await dig(server.port, name, '+tcp')).status, 'NOERROR')
  t.ok(process.cpuUsage(before).user < 200_000, 'and nothing spins')
  t.match(server.dns.counters, { errors: 0 })
})

t.test('a frame longer than any query is refused by its header', async (t) => {
  await using server = await serving()
  using client = await tcpClient(server.port)
  client.socket.write(Buffer.concat([Buffer.from('ffff', 'hex'), question(name, 'A', { id: 7 })]))
  t.match(header((await client.received(1))[0] as Buffer), { id: 7, rcode: 1 })
  await client.ended
})

t.test('a client that reads nothing is not written to for ever', async (t) => {
  await using server = await serving()
  server.dns.zone('dev.internal').set(
    'many',
    Array.from({ length: 100 }, (_, index) => `10.0.9.${index}`),
  )
  using client = await tcpClient(server.port)
  client.socket.pause()
  const query = frame(question('many.dev.internal'))
  let sent = 0
  // As much as the kernel takes without the server reading any of it.
  while (sent < 200_000 && client.socket.write(query)) sent++
  for (; sent < 20_000; sent++) client.socket.write(query)
  await dig(server.port, name, '+tcp')
  const answered = server.dns.counters.queries
  await dig(server.port, name, '+tcp')
  t.ok(answered < 20_000, `${answered} of ${sent} answered`)
  client.socket.resume()
  await client.received(sent)
  t.pass('all, once it reads')
})

t.test('answers are not answered, and neither is port 0', async (t) => {
  await using server = await serving()
  using client = await udpClient(server.port)
  client.send(question(name, 'A', { id: 1, flags: 0x8180 }))
  client.send(question(name, 'A', { id: 2 }))
  const [first] = await client.received(1)
  t.equal(header(first as Buffer).id, 2)
  t.match(server.dns.counters, { queries: 2, dropped: 1, zone: 1 })
})

t.test('a port that is taken, over UDP or TCP, is named, and nothing stays open', async (t) => {
  const tcp = createServer().listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  t.teardown(() => tcp.close())
  const address = tcp.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const failing = createDnsServer({
    zones: ['dev.internal'],
    listen: [
      { address: '127.0.0.2', port },
      { address: '127.0.0.1', port },
    ],
  })
  await t.rejects(failing, {
    name: 'DnsError',
    code: 'ADDRESS_IN_USE',
    message: new RegExp(`127\\.0\\.0\\.1:${port}`),
  })
  await using again = await serving({ listen: [{ address: '127.0.0.2', port }] })
  await t.rejects(createDnsServer({ zones: ['x'], listen: [{ address: '127.0.0.2', port }] }), {
    code: 'ADDRESS_IN_USE',
    message: /UDP/,
  })
  t.equal(again.dns.addresses[0]?.port, port)
  await t.rejects(createDnsServer({ zones: ['x'], listen: [{ address: '192.0.2.1', port: 0 }] }), {
    code: 'LISTEN_FAILED',
    message: /no such address/,
  })
})

async function boundSockets() {
  const tcp = createServer().listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const udp = createSocket('udp4')
  const address = tcp.address()
  udp.bind(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1')
  await once(udp, 'listening')
  return { udp, tcp }
}

t.test(
  'the wildcard is refused, however it is spelled: answers would come from another address (D05)',
  async (t) => {
    const refused = { code: 'INVALID_OPTION', message: /address that was asked/ }
    for (const address of [
      '0.0.0.0',
      '::',
      '::0',
      '0:0:0:0:0:0:0:0',
      '0::0.0.0.0',
      '::ffff:0.0.0.0',
      '::ffff:0:0',
    ]) {
      const listen = [
        { address: '127.0.0.1', port: 0 },
        { address, port: 0 },
      ]
      await t.rejects(createDnsServer({ zones: ['z.test'], listen }), refused, address)
    }
    const udp = createSocket('udp4')
    udp.bind(0)
    await once(udp, 'listening')
    await t.rejects(createDnsServer({ zones: ['z.test'], listen: [{ udp }] }), refused, 'a socket')
    t.throws(
      () => udp.address(),
      { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' },
      'which is closed, as after any failure',
    )
    const packets = { address: '0.0.0.0', port: 1, receive: () => undefined, close: () => undefined }
    await using handing = await createDnsServer({ zones: ['z.test'], listen: [{ udp: packets as never }] })
    t.equal(handing.addresses[0]?.address, '0.0.0.0', 'a packet socket may know which address was asked')
    // Over TCP, an answer comes from the address that was asked.
    const tcp = createServer().listen(0, '0.0.0.0')
    await once(tcp, 'listening')
    await using dns = await createDnsServer({ zones: ['z.test'], listen: [{ tcp }] })
    t.equal((await dig(dns.addresses[0]?.port ?? 0, '+tcp', 'z.test', 'SOA')).status, 'NOERROR')
  },
)

t.test('all names of an address are told, over TCP if they are too many for a datagram (R03)', async (t) => {
  for (const count of [2, 100, 101, 256, 700]) {
    await using server = await serving()
    const zone = server.dns.zone('dev.internal')
    const names = Array.from({ length: count }, (_, index) => `name-${index}`)
    for (const name of names) zone.set(name, ['10.0.5.5'])
    for (let round = 1; round <= 2; round++) {
      const { answers } = await dig(server.port, '-x', '10.0.5.5')
      t.equal(answers.length, count, `${count} names`)
      t.match(answers.at(-1), `name-${count - 1}.dev.internal.`)
    }
    using udp = await udpClient(server.port)
    udp.send(question('5.5.0.10.in-addr.arpa', 'PTR', { rest: [opt()] }))
    t.match(header((await udp.received(1))[0] as Buffer), { tc: count > 2, answers: count > 2 ? 0 : 2 })
    server.dns.views.set('10.0.0.9', {}, { only: ['name-1', `name-${count - 1}`] })
    const seen = await server.dns.query('5.5.0.10.in-addr.arpa', 'PTR', { as: '10.0.0.9' })
    t.equal(seen.answers.length, count === 2 ? 1 : 2, 'a view tells those that it sees')
    zone.delete(`name-${count - 1}`)
    t.equal((await dig(server.port, '-x', '10.0.5.5')).answers.length, count - 1)
  }
})

t.test('names of an address that fit no message are not cut in silence (R03)', async (t) => {
  await using server = await serving()
  const zone = server.dns.zone('dev.internal')
  for (let index = 0; index < 3000; index++) zone.set(`name-${index}`, ['10.0.5.5'])
  using tcp = await tcpClient(server.port)
  tcp.send(question('5.5.0.10.in-addr.arpa', 'PTR'))
  t.match(header((await tcp.received(1))[0] as Buffer), { tc: true, answers: 0 })
})

t.test('sockets that are handed over are served and closed', async (t) => {
  const sockets = await boundSockets()
  const closed = Promise.all([once(sockets.udp, 'close'), once(sockets.tcp, 'close')])
  const server = await serving({ listen: [sockets] })
  for (const transport of ['+tcp', '+notcp'])
    t.equal((await dig(server.port, name, transport)).status, 'NOERROR')
  using client = await tcpClient(server.port)
  client.send(question(name))
  client.socket.end()
  await client.received(1)
  await server.dns.close()
  await closed
})

t.test('they are closed when the server cannot be made', async (t) => {
  const first = await boundSockets()
  const second = await boundSockets()
  const closed = Promise.all(
    [first.udp, first.tcp, second.udp, second.tcp].map((socket) => once(socket, 'close')),
  )
  const listen = [first, { address: '192.0.2.1', port: 0 }, second]
  await t.rejects(createDnsServer({ zones: ['dev.internal'], listen }), { code: 'LISTEN_FAILED' })
  await closed
  const unbound = { udp: createSocket('udp4'), tcp: createServer() }
  await t.rejects(createDnsServer({ zones: ['dev.internal'], listen: [unbound] }), { code: 'LISTEN_FAILED' })
})

t.test('close() waits for what is in flight', async (t) => {
  await using upstream = await fakeUpstream(() => undefined)
  const clock = new ManualClock()
  const server = await serving({ upstreams: [upstream.where], clock })
  using udp = await udpClient(server.port)
  using tcp = await tcpClient(server.port)
  udp.send(question('a.example.com'))
  tcp.send(question('b.example.com'))
  await until(() => upstream.queries.length === 2, 'both wait')
  const closing = server.dns.close()
  t.equal(server.dns.close(), closing, 'closing twice is closing once')
  for (const { message, port } of upstream.queries) upstream.say(answerTo(message, ['192.0.2.1']), port)
  await closing
  t.match(header((await udp.received(1))[0] as Buffer), { rcode: 0, answers: 1 })
  t.match(header((await tcp.received(1))[0] as Buffer), { rcode: 0, answers: 1 })
  await t.rejects(tcpClient(server.port), { code: 'ECONNREFUSED' })
})

t.test('what is in flight too long is answered SERVFAIL', async (t) => {
  await using upstream = await fakeUpstream(() => undefined)
  const clock = new ManualClock()
  const server = await serving({ upstreams: [upstream.where], clock })
  using udp = await udpClient(server.port)
  using tcp = await tcpClient(server.port)
  udp.send(question('a.example.com'))
  tcp.send(question('b.example.com'))
  await until(() => upstream.queries.length === 2, 'both wait')
  const closing = server.dns.close()
  clock.advance(1000)
  await closing
  t.equal(header((await udp.received(1))[0] as Buffer).rcode, 2)
  t.equal(header((await tcp.received(1))[0] as Buffer).rcode, 2)
  await tcp.ended
})

t.test('listeners learn who asked what', async (t) => {
  await using upstream = await fakeUpstream((query) => answerTo(query, ['192.0.2.1']))
  await using server = await serving({ upstreams: [upstream.where] })
  server.dns.views.set('127.0.0.1', { postgres: 'db' })
  const seen: QueryEvent[] = []
  const listener = (query: QueryEvent) => void seen.push(query)
  server.dns.on('query', listener)
  await dig(server.port, 'PostGres')
  await dig(server.port, 'x.dev.internal', 'AAAA', '+tcp')
  await dig(server.port, 'www.example.com')
  server.dns.off('query', listener)
  await dig(server.port, name)
  t.same(seen, [
    {
      client: '127.0.0.1',
      transport: 'udp',
      name: 'PostGres',
      type: 'A',
      status: 'NOERROR',
      answers: 1,
      source: 'view',
    },
    {
      client: '127.0.0.1',
      transport: 'tcp',
      name: 'x.dev.internal',
      type: 'AAAA',
      status: 'NXDOMAIN',
      answers: 0,
      source: 'zone',
    },
    {
      client: '127.0.0.1',
      transport: 'udp',
      name: 'www.example.com',
      type: 'A',
      status: 'NOERROR',
      answers: 1,
      source: 'upstream',
      upstream: `127.0.0.1 ${upstream.port}`,
    },
  ])
  t.match(server.dns.counters, { queries: 4, tcpQueries: 1, view: 1, zone: 2, forwarded: 1, noSuchName: 1 })
})

t.test('a listener that throws is told of, and harms no client', async (t) => {
  await using server = await serving()
  const errors: string[] = []
  server.dns.on('error', ({ message }) => void errors.push(message))
  server.dns.on('query', () => {
    throw new Error('a fault of the listener')
  })
  t.equal((await dig(server.port, name)).status, 'NOERROR')
  t.equal((await dig(server.port, name, '+tcp')).status, 'NOERROR')
  t.same(errors, ['a fault of the listener', 'a fault of the listener'])
  t.match(server.dns.counters, { errors: 2 })
})

t.test('changes are seen whole while queries come', async (t) => {
  await using server = await serving()
  using client = await udpClient(server.port)
  const zone = server.dns.zone('dev.internal')
  for (let round = 0; round < 300; round++) {
    server.dns.update((tx) => {
      tx.zone('dev.internal').set('one', [`10.0.0.${round % 250}`])
      tx.zone('dev.internal').set('two', [`10.0.0.${round % 250}`])
    })
    client.send(question('one.dev.internal', 'A', { id: round, rest: [opt()] }))
    if (round % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const answers = await client.received(300)
  t.ok(answers.every((answer) => header(answer).answers === 1))
  t.same(zone.get('one'), zone.get('two'))
})
