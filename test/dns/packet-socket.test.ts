import { once } from 'node:events'
import { closeSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import t from 'tap'
import {
  createDnsServer,
  type DnsServerOptions,
  type PacketHandler,
  type QueryEvent,
} from '../../dns/index.ts'
import { bindBatchedUdp } from '../../netns/index.ts'
import { AF_INET, AF_INET6, bind, SOCK_DGRAM, SOCK_STREAM, socket } from '../../netns/kernel/index.ts'
import { freePort } from '../free-port.ts'
import { dig, udpClient, until } from './clients.ts'
import { answerTo, fakeUpstream } from './fake-upstream.ts'
import { header, opt, question } from './wire.ts'

const name = 'db.dev.internal'

/** A packet socket without a network: packets go in and answers come out by calls. */
function packetSocket() {
  let handler: PacketHandler | undefined
  const later: Buffer[] = []
  const room = Buffer.alloc(4224)
  return {
    address: '192.0.2.1',
    port: 53,
    later,
    closed: 0,
    receive(how: PacketHandler) {
      handler = how
    },
    close() {
      this.closed++
    },
    /** Returns the answer, if there is one at once. */
    ask(message: Buffer, { from = '10.0.0.9', port = 40_000, packet = room, size = message.length } = {}) {
      const octets = Buffer.from(from.includes(':') ? sixteen(from) : from.split('.').map(Number))
      message.copy(packet)
      const answered = handler?.packet(packet, size, {
        octets,
        port,
        later: () => (answer, length) => void later.push(Buffer.from(answer.subarray(0, length))),
      })
      const answer = Buffer.from(packet.subarray(0, answered))
      // As a socket does, which receives the next packet into the same buffer.
      packet.fill(0xff)
      octets.fill(0xff)
      return answer
    },
  }
}

/** The octets of `fd00::9` and similar addresses. */
function sixteen(text: string): number[] {
  const [head = '', tail = ''] = text.split('::')
  const octets = (half: string) =>
    half
      .split(':')
      .flatMap((word) =>
        word === '' ? [] : [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255],
      )
  const [first, last] = [octets(head), octets(tail)]
  return [...first, ...Array<number>(16 - first.length - last.length).fill(0), ...last]
}

async function serving(options: Partial<DnsServerOptions> = {}) {
  const socket = packetSocket()
  const dns = await createDnsServer({
    zones: ['dev.internal'],
    reverse: ['10.0.0.0/16'],
    listen: [{ udp: socket }],
    ...options,
  })
  dns.zone('dev.internal').set('db', ['10.0.0.7'])
  return { dns, socket, [Symbol.asyncDispose]: () => dns.close() }
}

t.test('packets are answered where they lie, and each client by its view', async (t) => {
  await using server = await serving()
  const { dns, socket } = server
  t.same(dns.addresses, [{ address: '192.0.2.1', port: 53 }])
  dns.views.set('10.0.0.9', { postgres: 'db' })
  dns.views.set('fd00::9', { postgres: 'db' })
  dns.views.set('fd00:1::/64', { postgres: 'db' })
  const cases: [from: string, rcode: number][] = [
    ['10.0.0.9', 0],
    ['10.0.0.8', 3],
    ['fd00::9', 0],
    ['fd00::8', 3],
    ['fd00:1::8', 0],
    // An IPv4 client, as a dual-stack socket spells it.
    ['::ffff:a00:9', 0],
    ['::ffff:a00:8', 3],
  ]
  for (const round of ['first', 'again']) {
    for (const [from, rcode] of cases) {
      const answer = socket.ask(question('Postgres', 'A', { id: 7 }), { from })
      t.match(header(answer), { id: 7, qr: true, aa: rcode === 0, rcode }, `${from}, ${round}`)
      t.ok(answer.includes('Postgres'), 'spelled as it was asked')
    }
  }
  t.equal(socket.ask(question(name), { from: '255.255.255.255' }).subarray(-4).join('.'), '10.0.0.7')
  t.match(dns.counters, { queries: 15, view: 8, zone: 1, local: 6, dropped: 0 })
})

t.test('what must not be answered is not, and what is malformed gets an error', async (t) => {
  await using server = await serving()
  const { dns, socket } = server
  t.equal(socket.ask(question(name), { port: 0 }).length, 0, 'port 0')
  t.equal(socket.ask(question(name, 'A', { flags: 0x8000 })).length, 0, 'an answer')
  t.equal(socket.ask(Buffer.alloc(11)).length, 0)
  t.match(header(socket.ask(Buffer.concat([question(name), Buffer.alloc(3)]))), { rcode: 1 })
  const large = Buffer.concat([question(name), Buffer.alloc(4100)])
  t.match(header(socket.ask(large)), { rcode: 1, answers: 0 })
  t.match(header(socket.ask(question(name), { size: 9000 })), { rcode: 1 }, 'cut by the socket')
  t.match(dns.counters, { queries: 5, dropped: 2, refused: 3, errors: 0 })
  const small = Buffer.alloc(100)
  dns.zone('dev.internal').set(
    'many',
    Array.from({ length: 20 }, (_, index) => `10.0.0.${index}`),
  )
  const cut = socket.ask(question('many.dev.internal', 'A', { rest: [opt()] }), { packet: small })
  t.match(header(cut), { tc: true, answers: 0, additionals: 1 }, 'no room: truncated')
})

t.test('listeners are told what was asked, though the answer is written over it', async (t) => {
  await using server = await serving()
  const { dns, socket } = server
  const told: QueryEvent[] = []
  dns.on('query', (query) => void told.push(query))
  t.match(header(socket.ask(question('DB.dev.internal'))), { answers: 1 })
  t.match(header(socket.ask(question('no.dev.internal', 'AAAA'), { from: 'fd00::9' })), { rcode: 3 })
  t.match(told, [
    {
      client: '10.0.0.9',
      transport: 'udp',
      name: 'DB.dev.internal',
      type: 'A',
      status: 'NOERROR',
      answers: 1,
      source: 'zone',
    },
    {
      client: 'fd00::9',
      name: 'no.dev.internal',
      type: 'AAAA',
      status: 'NXDOMAIN',
      answers: 0,
      source: 'zone',
    },
  ])
})

t.test('what is forwarded is kept, whatever becomes of packet and source meanwhile', async (t) => {
  await using upstream = await fakeUpstream((query) => answerTo(query, ['198.51.100.7']))
  await using server = await serving({ upstreams: [upstream.where] })
  const { dns, socket } = server
  const told: QueryEvent[] = []
  t.equal(socket.ask(question('one.example', 'A', { id: 1 })).length, 0)
  dns.on('query', (query) => void told.push(query))
  t.equal(socket.ask(question('two.example', 'A', { id: 2 }), { from: '10.0.0.10' }).length, 0)
  await until(() => socket.later.length === 2, 'both are answered')
  t.same(socket.later.map((answer) => [answer.readUInt16BE(0), answer.subarray(-4).join('.')]).sort(), [
    [1, '198.51.100.7'],
    [2, '198.51.100.7'],
  ])
  t.match(
    told.find((query) => query.name === 'two.example'),
    { client: '10.0.0.10', source: 'upstream' },
  )
})

t.test('a server closes the packet socket that it was given, on failure too', async (t) => {
  const { socket, dns } = await serving()
  await dns.close()
  t.equal(socket.closed, 1)
  const [first, second] = [packetSocket(), packetSocket()]
  const nowhere = { address: '203.0.113.9', port: 53 }
  await t.rejects(
    createDnsServer({ zones: ['dev.internal'], listen: [{ udp: first }, nowhere, { udp: second }] }),
    { code: 'LISTEN_FAILED' },
  )
  t.same([first.closed, second.closed], [1, 1])
})

/** Both sockets on one port. The port that UDP got may be in use for TCP, by a test that runs at the same time. */
async function pair(address: string) {
  for (;;) {
    const udp = bindBatchedUdp(address, 0)
    const tcp = createServer({ allowHalfOpen: true }).listen(udp.port, address)
    try {
      await once(tcp, 'listening')
      return { udp, tcp }
    } catch (error) {
      udp.close()
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

/** A batched socket with a TCP server beside it, and what `dig` needs to know. */
async function batched(address: string, options: Partial<DnsServerOptions> = {}) {
  const { udp, tcp } = await pair(address)
  const dns = await createDnsServer({ zones: ['dev.internal'], listen: [{ udp, tcp }], ...options })
  dns.zone('dev.internal').set('db', ['10.0.0.7', 'fd00::7'])
  return { dns, udp, port: udp.port, [Symbol.asyncDispose]: () => dns.close() }
}

t.test('the batched socket of netns: dig is content, over both transports and both families', async (t) => {
  await using upstream = await fakeUpstream((query) => answerTo(query, ['198.51.100.7']))
  for (const address of ['127.0.0.1', '::1']) {
    await using server = await batched(address, { upstreams: [upstream.where] })
    const { dns, port } = server
    dns.views.set(address, { postgres: 'db' })
    const many = Array.from({ length: 100 }, (_, index) => `10.0.9.${index}`)
    dns.zone('dev.internal').set('many', many)
    for (const [asked, answers] of [
      [[name], 1],
      [['postgres', 'AAAA'], 1],
      [['www.example.com'], 1],
      [['many.dev.internal'], 100],
      [['no.dev.internal'], 0],
    ] as const) {
      const found = await dig(port, `@${address}`, ...asked)
      t.equal(found.answers.length, answers, `${asked} at ${address}`)
      t.notMatch(found.text, /WARNING|malformed|mismatch|timed out/i)
    }
  }
})

t.test('a burst of queries that are forwarded and queries that are not', async (t) => {
  await using upstream = await fakeUpstream((query) => answerTo(query, ['198.51.100.7']))
  await using server = await batched('127.0.0.1', {
    upstreams: [upstream.where],
    limits: { forwardsPerClient: 1000 },
  })
  using client = await udpClient(server.port)
  for (let id = 0; id < 300; id++) {
    client.send(question(id % 3 === 0 ? `x${id}.example` : name, 'A', { id }))
  }
  const answers = await client.received(300)
  t.equal(new Set(answers.map((answer) => answer.readUInt16BE(0))).size, 300)
  for (const answer of answers) {
    const outside = answer.readUInt16BE(0) % 3 === 0
    if (answer.subarray(-4).join('.') !== (outside ? '198.51.100.7' : '10.0.0.7')) t.fail('another answer')
  }
  t.match(server.dns.counters, { queries: 300, zone: 200, forwarded: 100 })
})

t.test('closing answers what is in flight, and frees the port', async (t) => {
  let release = () => {}
  const held: Buffer[] = []
  await using upstream = await fakeUpstream((query) => {
    held.push(query)
    return undefined
  })
  const { dns, port } = await batched('127.0.0.1', { upstreams: [upstream.where] })
  using client = await udpClient(port)
  client.send(question('slow.example', 'A', { id: 5 }))
  await until(() => held.length === 1, 'it is forwarded')
  const closed = dns.close()
  release = () => upstream.say(answerTo(held[0] as Buffer, ['198.51.100.7']))
  release()
  t.match(header((await client.received(1))[0] as Buffer), { id: 5, answers: 1 })
  await closed
  bindBatchedUdp('127.0.0.1', port).close()
})

/** A socket of another program, by its descriptor. */
function inherited(type: number, address: string, port: number): number {
  const four = !address.includes(':')
  const sockaddr = Buffer.alloc(four ? 16 : 28)
  sockaddr.writeUInt16LE(four ? AF_INET : AF_INET6, 0)
  sockaddr.writeUInt16BE(port, 2)
  sockaddr.set(four ? address.split('.').map(Number) : sixteen(address), four ? 4 : 8)
  const fd = socket(four ? AF_INET : AF_INET6, type, 0, 'make a socket')
  bind(fd, sockaddr, 'bind')
  return fd
}

t.test('inherited descriptors are listened on, and closed', async (t) => {
  for (const [address, family] of [
    ['127.0.0.1', 4],
    ['::1', 6],
  ] as const) {
    const port = await freePort()
    const udp = { fd: inherited(SOCK_DGRAM, address, port), family }
    const tcp = { fd: inherited(SOCK_STREAM, address, port) }
    await using dns = await createDnsServer({ zones: ['dev.internal'], listen: [{ udp, tcp }] })
    dns.zone('dev.internal').set('db', ['10.0.0.7'])
    t.same(dns.addresses, [{ address, port }])
    for (const transport of ['+notcp', '+tcp']) {
      t.equal((await dig(port, `@${address}`, name, transport)).answers.length, 1, `${address} ${transport}`)
    }
  }
})

const openFiles = () => readdirSync('/proc/self/fd').length

t.test('descriptors that are no such sockets are errors, and all are closed', async (t) => {
  const before = openFiles()
  const port = await freePort()
  const listenOn = (udp: number, tcp: number, family: 4 | 6 = 4) =>
    createDnsServer({ zones: ['dev.internal'], listen: [{ udp: { fd: udp, family }, tcp: { fd: tcp } }] })
  const [udp, tcp] = [SOCK_DGRAM, SOCK_STREAM]
  await t.rejects(listenOn(inherited(tcp, '127.0.0.1', port), inherited(tcp, '127.0.0.2', port)), {
    code: 'LISTEN_FAILED',
    message: /is no bound UDP socket/,
  })
  await t.rejects(listenOn(inherited(udp, '127.0.0.1', port), inherited(udp, '127.0.0.2', port)), {
    code: 'LISTEN_FAILED',
    message: /is no bound TCP socket/,
  })
  await t.rejects(listenOn(inherited(udp, '127.0.0.1', port), inherited(tcp, '127.0.0.1', port), 6), {
    code: 'LISTEN_FAILED',
    message: /it is of IPv4: say so by family/,
  })
  await t.rejects(createDnsServer({ zones: ['dev.internal'], listen: [{}] }), { code: 'INVALID_OPTION' })
  const [first, second] = [inherited(udp, '127.0.0.1', port), inherited(tcp, '127.0.0.1', port)]
  await t.rejects(createDnsServer({ zones: [], listen: [{ udp: { fd: first }, tcp: { fd: second } }] }), {
    code: 'INVALID_OPTION',
  })
  await until(() => openFiles() <= before, 'all are closed')
  t.throws(() => closeSync(first), { message: /EBADF/ })
})
