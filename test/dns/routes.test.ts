import t from 'tap'
import { createDnsServer, type DnsError, type DnsServerOptions } from '../../dns/index.ts'
import { dig, udpClient, until } from './clients.ts'
import { answerTo, type Behaviour, fakeUpstream } from './fake-upstream.ts'
import { ManualClock } from './manual-clock.ts'
import { question } from './wire.ts'

const says =
  (address: string): Behaviour =>
  (query) =>
    answerTo(query, [address])

async function serving(options: Partial<DnsServerOptions>) {
  const dns = await createDnsServer({
    zones: ['dev.internal'],
    listen: [{ address: '127.0.0.1', port: 0 }],
    ...options,
  })
  return { dns, port: dns.addresses[0]?.port ?? 0, [Symbol.asyncDispose]: () => dns.close() }
}

t.test('domains may have upstreams of their own; the longest wins', async (t) => {
  await using everything = await fakeUpstream(says('192.0.2.1'))
  await using corp = await fakeUpstream(says('192.0.2.2'))
  await using lab = await fakeUpstream(says('192.0.2.3'))
  await using server = await serving({
    upstreams: [everything.where],
    routes: {
      'corp.example.com': [corp.where],
      'Lab.Corp.Example.Com.': [lab.where],
      'secret.corp.example.com': 'none',
      '10.in-addr.arpa': [corp.where],
      test: [lab.where],
      'x.dev.internal': [lab.where],
    },
  })
  const got = async (name: string, type = 'A') => {
    const { status, answers } = await server.dns.query(name, type)
    return answers[0]?.data ?? status
  }
  t.equal(await got('www.example.com'), '192.0.2.1')
  t.equal(await got('xcorp.example.com'), '192.0.2.1', 'whole labels only')
  t.equal(await got('corp.example.com'), '192.0.2.2')
  t.equal(await got('a.b.CORP.example.com'), '192.0.2.2')
  t.equal(await got('lab.corp.example.com'), '192.0.2.3')
  t.equal(await got('a.secret.corp.example.com'), 'REFUSED')
  t.equal(await got('1.2.3.10.in-addr.arpa'), '192.0.2.2')
  t.equal(await got('a.test'), '192.0.2.3', 'who routes a special name wants it asked')
  t.equal(await got('a.x.dev.internal'), 'NXDOMAIN', 'own zones are never asked elsewhere')
  t.equal(await got('test'), 'NXDOMAIN', 'nor are single labels')
})

t.test('with routes alone, everything else is refused', async (t) => {
  await using corp = await fakeUpstream(says('192.0.2.2'))
  await using server = await serving({ routes: { 'corp.example.com': [corp.where] } })
  t.equal((await dig(server.port, 'a.corp.example.com')).status, 'NOERROR')
  const refused = await dig(server.port, 'www.example.com')
  t.equal(refused.status, 'REFUSED')
  t.match(refused.text, /EDE: 20/)
  t.equal((await dig(server.port, 'a.test')).status, 'NXDOMAIN', 'test stays here (6761, 6.2)')
})

t.test('routes that are wrong', async (t) => {
  const wrong: [routes: object, code: string][] = [
    [{ 'corp.example.com': 'google' }, 'INVALID_OPTION'],
    [{ 'corp.example.com': ['dns.example.com'] }, 'INVALID_OPTION'],
    [{ 'a..b': 'none' }, 'INVALID_NAME'],
  ]
  for (const [routes, code] of wrong) {
    await t.rejects(createDnsServer({ zones: ['x'], routes: routes as never }), { name: 'DnsError', code })
  }
})

t.test('an upstream that asks us in turn is found at once, told of, and left out', async (t) => {
  const clock = new ManualClock()
  await using good = await fakeUpstream(says('192.0.2.1'))
  // The host's own resolver: it asks us each question that it gets, with an id and a port of its own.
  let ours = 0
  let turns = 0
  using resolver = await udpClient(0)
  await using stub = await fakeUpstream(
    (query) => {
      turns++
      resolver.send(query, ours)
      return undefined
    },
    { probes: true },
  )
  await using server = await serving({ upstreams: [stub.where, good.where], clock })
  ours = server.port
  const errors: DnsError[] = []
  server.dns.on('error', (error) => void errors.push(error as DnsError))
  t.match(await server.dns.query('www.example.com'), { status: 'NOERROR' }, 'without any time passing')
  t.match(errors, [{ code: 'FORWARD_LOOP', message: new RegExp(`${stub.port}`) }])
  t.match(server.dns.counters, { loops: 1 })
  const before = turns
  t.match(await server.dns.query('b.example.com'), { status: 'NOERROR' })
  t.equal(turns, before, 'it is not asked')
  clock.advance(60_001)
  t.match(await server.dns.query('c.example.com'), { status: 'NOERROR' })
  t.match(server.dns.counters, { loops: 2 }, 'after a minute it is looked at again')
})

t.test('where there is nobody else, a loop is SERVFAIL, soon', async (t) => {
  const clock = new ManualClock()
  let ours = 0
  using resolver = await udpClient(0)
  await using stub = await fakeUpstream(
    (query) => {
      resolver.send(query, ours)
      return undefined
    },
    { probes: true },
  )
  await using server = await serving({ upstreams: [stub.where], clock })
  ours = server.port
  t.equal((await dig(server.port, 'www.example.com')).status, 'SERVFAIL')
  t.match(server.dns.counters, { loops: 1, waiting: 0 })
})

t.test('two servers that ask each other', async (t) => {
  const clock = new ManualClock()
  await using one = await serving({ upstreams: ['127.0.0.1:9'], clock })
  await using two = await serving({ upstreams: [`127.0.0.1:${one.port}`], clock })
  await one.dns.close()
  await using again = await serving({
    listen: [{ address: '127.0.0.1', port: one.port }],
    upstreams: [`127.0.0.1:${two.port}`],
    clock,
  })
  t.equal((await dig(again.port, 'www.example.com')).status, 'SERVFAIL')
  t.ok(again.dns.counters.loops + two.dns.counters.loops >= 1)
  t.ok(again.dns.counters.queries + two.dns.counters.queries < 20, 'and nothing goes round')
})

t.test('an upstream is asked about itself once, and once more after it was silent', async (t) => {
  const clock = new ManualClock()
  let silent = false
  await using upstream = await fakeUpstream(
    (query) => (silent ? undefined : answerTo(query, [], { rcode: 3 })),
    { probes: true },
  )
  const probes = () => upstream.queries.filter(({ message }) => message.includes('moorage-loop-check')).length
  await using server = await serving({ upstreams: [upstream.where], clock })
  for (let index = 0; index < 5; index++) await server.dns.query(`a${index}.example.com`)
  t.equal(probes(), 1)
  silent = true
  const unanswered = server.dns.query('b.example.com')
  await until(() => upstream.queries.length === 7, 'the query')
  clock.advance(2000)
  await until(() => probes() === 2, 'the second look')
  clock.advance(4500)
  t.match(await unanswered, { status: 'SERVFAIL' })
  using client = await udpClient(server.port)
  client.send(question('x.dev.internal'))
  await client.received(1)
})
