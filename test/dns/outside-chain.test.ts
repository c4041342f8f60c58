/** CNAMEs that lead out of our zones: a stub resolver gets the records of the chain's end in the same answer. */
import t from 'tap'
import {
  createDnsServer,
  type DnsServerOptions,
  type PacketHandler,
  type QueryEvent,
} from '../../dns/index.ts'
import { dig, tcpClient, udpClient, until } from './clients.ts'
import { answerTo, type Behaviour, fakeUpstream, questionEnd } from './fake-upstream.ts'
import { ManualClock } from './manual-clock.ts'
import { readOurs } from './read.ts'
import { header, opt, question, wire } from './wire.ts'

const client = '10.0.0.9'

async function serving(where: string[], options: Partial<DnsServerOptions> = {}) {
  const dns = await createDnsServer({
    zones: ['z.test'],
    listen: [{ address: '127.0.0.1', port: 0 }],
    upstreams: where,
    ...options,
  })
  const zone = dns.zone('z.test')
  zone.setCname('out', 'a.out.example.')
  zone.setCname('far', 'out', { ttl: 7 })
  zone.set('db', ['10.0.0.7'])
  return { dns, zone, port: dns.addresses[0]?.port ?? 0, [Symbol.asyncDispose]: () => dns.close() }
}

const good: Behaviour = (query) => answerTo(query, ['192.0.2.1', '192.0.2.2'])
const rr = (owner: string, type: number, data: Buffer) => {
  const head = Buffer.from('0000000100000005' + '0000', 'hex')
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(data.length, 8)
  return Buffer.concat([wire(owner), head, data])
}
/** An answer with records as they are. */
const raw = (query: Buffer, answers: Buffer[], authorities: Buffer[] = [], rcode = 0) => {
  const message = Buffer.concat([query.subarray(0, questionEnd(query)), ...answers, ...authorities])
  message.writeUInt16BE(0x8180 | rcode, 2)
  message.writeUInt16BE(answers.length, 6)
  message.writeUInt16BE(authorities.length, 8)
  message.writeUInt16BE(0, 10)
  return message
}

t.test('an answer with a CNAME that leads outside holds the records of its end (D18)', async (t) => {
  await using upstream = await fakeUpstream(good)
  await using server = await serving([upstream.where])
  for (const transport of ['+notcp', '+tcp']) {
    for (const edns of ['+edns', '+noedns']) {
      t.same((await dig(server.port, transport, edns, 'out.z.test')).answers, [
        'out.z.test. 0 IN CNAME a.out.example.',
        'a.out.example. 60 IN A 192.0.2.1',
        'a.out.example. 60 IN A 192.0.2.2',
      ])
    }
  }
  t.same((await dig(server.port, 'far.z.test')).answers, [
    'far.z.test. 7 IN CNAME out.z.test.',
    'out.z.test. 0 IN CNAME a.out.example.',
    'a.out.example. 60 IN A 192.0.2.1',
    'a.out.example. 60 IN A 192.0.2.2',
  ])
  t.ok(upstream.queries[0]?.message.includes(wire('a.out.example')), 'the end is asked for')
  server.dns.views.set('127.0.0.1', { alias: 'far' })
  t.same((await dig(server.port, 'alias')).answers, [
    'alias. 0 IN CNAME a.out.example.',
    'a.out.example. 60 IN A 192.0.2.1',
    'a.out.example. 60 IN A 192.0.2.2',
  ])
  const answer = await server.dns.query('out.z.test')
  t.same([answer.authoritative, answer.answers.length], [true, 3])
  t.same((await dig(server.port, 'out.z.test', 'CNAME')).answers, ['out.z.test. 0 IN CNAME a.out.example.'])
  t.match((await dig(server.port, 'out.z.test', 'ANY')).answers, [/RFC8482/])
})

t.test('only where recursion is desired, and where somebody may be asked (D18)', async (t) => {
  await using upstream = await fakeUpstream(good)
  await using server = await serving([upstream.where], { routes: { 'no.example': 'none' } })
  const chain = ['out.z.test. 0 IN CNAME a.out.example.']
  t.same((await dig(server.port, '+norecurse', 'out.z.test')).answers, chain)
  server.zone.setCname('nobody', 'a.no.example.')
  t.same((await dig(server.port, 'nobody.z.test')).answers, ['nobody.z.test. 0 IN CNAME a.no.example.'])
  server.dns.views.set('127.0.0.1', {}, { outside: false })
  t.same((await dig(server.port, 'out.z.test')).answers, chain)
  await using alone = await serving([], { upstreams: 'none' })
  t.same((await dig(alone.port, 'out.z.test')).answers, chain)
  t.equal(upstream.queries.length, 0)
})

t.test('the end of a chain is what its client would get (D18)', async (t) => {
  await using upstream = await fakeUpstream(good)
  await using server = await serving([upstream.where])
  const { zone, dns } = server
  const ask = async (name: string) => {
    const { status, answers } = await dns.query(name, 'A', { as: client })
    return [status, ...answers.map(({ type, data }) => `${type} ${data}`)].join(', ')
  }
  dns.views.set(client, {
    'api.example.com': 'db',
    s3: 'db',
    'loop.example.com': 'loop',
    'x.example.com': 'out',
  })
  zone.setCname('mock', 'api.example.com.')
  t.equal(await ask('mock.z.test'), 'NOERROR, CNAME api.example.com, A 10.0.0.7', 'an alias')
  zone.setCname('below', 'bucket.s3.')
  t.equal(await ask('below.z.test'), 'NXDOMAIN, CNAME bucket.s3', 'what is below one')
  zone.setCname('single', 'nobody.')
  t.equal(await ask('single.z.test'), 'NXDOMAIN, CNAME nobody', 'a single label')
  t.equal(upstream.queries.length, 0)
  zone.setCname('twice', 'x.example.com.')
  t.match(await ask('twice.z.test'), /^NOERROR, CNAME x\.example\.com, CNAME a\.out\.example, A 192/)
  zone.setCname('loop', 'loop.example.com.')
  t.equal(await ask('loop.z.test'), 'SERVFAIL', 'a circle ends')
})

t.test('what the outside says of the end is said of the name (D18)', async (t) => {
  const soa = rr(
    'example',
    6,
    Buffer.concat([Buffer.from('c00c', 'hex'), wire('mail.example'), Buffer.alloc(20, 1)]),
  )
  const ns = rr('example', 2, wire('ns.example'))
  let say: Behaviour = () => undefined
  await using upstream = await fakeUpstream((query, transport) => say(query, transport))
  const clock = new ManualClock()
  await using server = await serving([upstream.where], { clock })
  const told: QueryEvent[] = []
  server.dns.on('query', (event) => void told.push(event))
  using udp = await udpClient(server.port)
  let count = 0
  const ask = async (type = 'A') => {
    udp.send(question('oUt.z.test', type, { rest: [opt({ flags: 0x8000 })], flags: 0x0110, id: ++count }))
    return (await udp.received(count))[count - 1] as Buffer
  }
  say = (query) => raw(query, [], [ns, soa], 3)
  let answer = await ask()
  t.match(header(answer), {
    id: 1,
    rcode: 3,
    aa: true,
    ra: true,
    cd: true,
    answers: 1,
    authorities: 1,
    additionals: 1,
  })
  t.match(
    readOurs(answer).authorities,
    [/^example 5 SOA a\.out\.example mail\.example/],
    'read without its pointers',
  )
  const [asked] = upstream.queries
  t.match(header(asked?.message as Buffer), { rd: true, cd: true })
  t.equal(asked?.message.readUInt16BE((asked?.message.length ?? 0) - 4), 0x8000, 'DO')
  t.match(told, [{ name: 'oUt.z.test', status: 'NXDOMAIN', source: 'zone', answers: 1 }])

  say = (query) => raw(query, [], [soa])
  t.match(header(await ask('TXT')), { rcode: 0, answers: 1, authorities: 1 })
  say = (query) =>
    raw(query, [
      rr('a.out.example', 15, Buffer.concat([Buffer.of(0, 5), Buffer.from('c00c', 'hex')])),
      rr('a.out.example', 33, Buffer.concat([Buffer.alloc(6, 2), Buffer.from('c00c', 'hex')])),
      rr('a.out.example', 5, Buffer.from('c00c', 'hex')),
      rr('a.out.example', 16, Buffer.from('\x02hi')),
    ])
  answer = await ask('MX')
  t.same(readOurs(answer).answers.slice(1), [
    'a.out.example 5 MX 5 a.out.example',
    'a.out.example 5 SRV 514 514 514 a.out.example',
    'a.out.example 5 CNAME a.out.example',
    'a.out.example 5 TXT "hi"',
  ])
  say = (query) => raw(query, [], [], 2)
  t.match(header(await ask()), { rcode: 2 }, 'SERVFAIL')
  say = (query) => raw(query, [rr('a.out.example', 5, Buffer.from('ffff', 'hex'))])
  t.match(header(await ask()), { rcode: 2, answers: 0 }, 'nonsense')
  const before = server.dns.counters
  t.match(before, { errors: 0, unreachable: 1, zone: 4, queries: 5 })
  say = () => undefined
  const silent = ask()
  await until(() => upstream.queries.length >= 6, 'it is asked')
  t.equal(server.dns.counters.waiting, 1)
  clock.advance(4500)
  answer = await silent
  t.match(header(answer), { rcode: 2, answers: 0, additionals: 1 })
  t.equal(answer.subarray(-6).toString('hex'), '000f00020016', 'No Reachable Authority')
})

t.test('an end that does not fit into a datagram comes over TCP (D18)', async (t) => {
  const many = Array.from({ length: 90 }, (_, index) => `192.0.2.${index}`)
  await using upstream = await fakeUpstream((query, transport) =>
    transport === 'tcp' ? answerTo(query, many) : answerTo(query, [], { flags: 0x8380 }),
  )
  await using server = await serving([upstream.where])
  using udp = await udpClient(server.port)
  udp.send(question('out.z.test', 'A', { rest: [opt()] }))
  t.match(header((await udp.received(1))[0] as Buffer), { tc: true, answers: 0, additionals: 1 })
  using tcp = await tcpClient(server.port)
  tcp.send(question('out.z.test'))
  t.match(header((await tcp.received(1))[0] as Buffer), { tc: false, answers: 91 })
})

t.test('a packet socket gets the end later (D18)', async (t) => {
  await using upstream = await fakeUpstream(good)
  let handler: PacketHandler | undefined
  const udp = {
    address: '127.0.0.1',
    port: 1,
    receive: (given: PacketHandler) => {
      handler = given
    },
    close: () => undefined,
  }
  await using dns = await createDnsServer({
    zones: ['z.test'],
    listen: [{ udp }],
    upstreams: [upstream.where],
  })
  dns.zone('z.test').setCname('out', 'a.out.example.')
  const packet = Buffer.alloc(4096)
  for (const rest of [[], [opt({ flags: 0x8000, size: 600 })]]) {
    const size = question('out.z.test', 'A', { rest, id: 77 }).copy(packet)
    const { promise, resolve } = Promise.withResolvers<Buffer>()
    const source = {
      octets: Buffer.of(127, 0, 0, 1),
      port: 5,
      later: () => (octets: Uint8Array, length: number) => resolve(Buffer.from(octets.subarray(0, length))),
    }
    t.equal(handler?.packet(packet, size, source), 0)
    packet.fill(0)
    const answer = await promise
    t.match(header(answer), { id: 77, rd: true, answers: 3, additionals: rest.length })
    t.same(readOurs(answer).answers.slice(1), [
      'a.out.example 60 A 192.0.2.1',
      'a.out.example 60 A 192.0.2.2',
    ])
  }
})
