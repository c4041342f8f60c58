import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createDnsServer, type DnsServerOptions } from '../../dns/index.ts'
import { parseResolvConf } from '../../dns/upstream/resolv-conf.ts'
import { parseUpstream } from '../../dns/upstream/upstream.ts'
import { upstreamSource } from '../../dns/upstream/upstream-source.ts'
import { freePort } from '../free-port.ts'
import { removeTree } from '../remove-tree.ts'
import { dig, tcpClient, udpClient, until } from './clients.ts'
import { answerTo, type Behaviour, fakeUpstream } from './fake-upstream.ts'
import { ManualClock } from './manual-clock.ts'
import { header, opt, question } from './wire.ts'

const good: Behaviour = (query) => answerTo(query, ['192.0.2.1'])
const silent: Behaviour = () => undefined

async function forwarding(upstreams: string[], options: Partial<DnsServerOptions> = {}) {
  const dns = await createDnsServer({
    zones: ['dev.internal'],
    listen: [{ address: '127.0.0.1', port: 0 }],
    upstreams,
    ...options,
  })
  return { dns, port: dns.addresses[0]?.port ?? 0, [Symbol.asyncDispose]: () => dns.close() }
}

const name = 'www.example.com'

t.test('what is not ours is asked upstream, octet by octet but for the id', async (t) => {
  await using upstream = await fakeUpstream(good)
  await using server = await forwarding([upstream.where])
  using client = await udpClient(server.port)
  const cookie = opt({ size: 4096, flags: 0x8000, options: Buffer.from('000a00080102030405060708', 'hex') })
  const query = question('wWw.eXample.com', 65, { flags: 0x0130, rest: [cookie] })
  client.send(query)
  const [answer] = await client.received(1)
  t.same(upstream.queries[0]?.message.subarray(2), query.subarray(2))
  t.same(answer, answerTo(query, ['192.0.2.1']))
  t.match(server.dns.counters, { queries: 1, forwarded: 1, zone: 0 })
})

t.test('its own names and single labels are never asked upstream', async (t) => {
  await using upstream = await fakeUpstream(good)
  await using server = await forwarding([upstream.where], { reverse: ['10.0.0.0/16'] })
  const own = [
    'x.dev.internal',
    'DEV.internal',
    'single',
    'localhost',
    'a.invalid',
    'b.onion',
    '1.2.0.10.in-addr.arpa',
  ]
  for (const asked of own) {
    await server.dns.query(asked)
    await server.dns.query(asked, 'ANY')
  }
  t.equal(upstream.queries.length, 0)
})

t.test('ids and ports differ from query to query (5452)', async (t) => {
  await using upstream = await fakeUpstream(good)
  await using server = await forwarding([upstream.where])
  for (let index = 0; index < 20; index++) await server.dns.query(`a${index}.example.com`)
  const ids = new Set(upstream.queries.map(({ message }) => message.readUInt16BE(0)))
  const ports = new Set(upstream.queries.map(({ port }) => port))
  t.ok(ids.size > 15, `${ids.size} ids`)
  t.ok(ports.size > 15, `${ports.size} ports`)
})

t.test('only the answer to the question counts', async (t) => {
  const forgeries: [say: string, forge: (query: Buffer) => Buffer][] = [
    ['a wrong id', (query) => answerTo(query, ['6.6.6.6'], { id: query.readUInt16BE(0) ^ 1 })],
    ['no answer but a query', (query) => answerTo(query, ['6.6.6.6'], { flags: 0x0180 })],
    ['another opcode', (query) => answerTo(query, ['6.6.6.6'], { flags: 0xa180 })],
    [
      'another name',
      (query) => {
        const forged = answerTo(query, ['6.6.6.6'])
        forged.write('m', 13)
        return forged
      },
    ],
    [
      'another type, whose number is the same letter',
      (query) => {
        const forged = answerTo(query, ['6.6.6.6'])
        forged.writeUInt16BE(97, query.length - 15)
        return forged
      },
    ],
    [
      'no question, but an answer',
      (query) => Buffer.concat([query.subarray(0, 2), Buffer.from('81800000000000000000', 'hex')]),
    ],
    ['noise', () => Buffer.from('noise')],
    ['nothing', () => Buffer.alloc(0)],
  ]
  for (const [say, forge] of forgeries) {
    await using upstream = await fakeUpstream((query) => [forge(query), answerTo(query, ['192.0.2.1'])])
    await using server = await forwarding([upstream.where])
    const { answers } = await server.dns.query(name, 'TYPE65')
    t.same(
      answers.map(({ name }) => name),
      [name],
      say,
    )
    t.equal(upstream.queries.length, 1, `${say}: not asked again`)
  }
})

t.test('an answer from elsewhere never arrives', async (t) => {
  await using stranger = await fakeUpstream(silent)
  await using upstream = await fakeUpstream(silent)
  await using server = await forwarding([upstream.where])
  const answering = server.dns.query(name)
  await until(() => upstream.queries.length > 0, 'the query')
  const asked = upstream.queries[0]
  using forger = await udpClient(asked?.port ?? 0)
  forger.send(answerTo(asked?.message as Buffer, ['6.6.6.6']))
  stranger.say(Buffer.alloc(0))
  upstream.say(answerTo(asked?.message as Buffer, ['192.0.2.1']))
  t.same(
    (await answering).answers.map(({ data }) => data),
    ['192.0.2.1'],
  )
})

t.test('what does not fit into a datagram is fetched over TCP', async (t) => {
  const many = Array.from({ length: 60 }, (_, index) => `192.0.2.${index}`)
  const behave: Behaviour = (query, transport) =>
    transport === 'udp' ? answerTo(query, [], { flags: 0x8380 }) : answerTo(query, many)
  await using upstream = await fakeUpstream(behave)
  await using server = await forwarding([upstream.where])
  using udp = await udpClient(server.port)
  udp.send(question(name))
  udp.send(question(name, 'A', { rest: [opt({ size: 4096 })] }))
  const [one, two] = (await udp.received(2)).sort((a, b) => a.length - b.length)
  t.match(
    header(one as Buffer),
    { tc: true, answers: 0 },
    'a client that takes 512 octets asks again over TCP',
  )
  t.match(header(two as Buffer), { tc: false, answers: 60 }, 'one that takes it gets it at once')
  using tcp = await tcpClient(server.port)
  tcp.send(question(name))
  t.match(header((await tcp.received(1))[0] as Buffer), { tc: false, answers: 60 })
})

t.test('an upstream without TCP still tells what fitted', async (t) => {
  await using upstream = await fakeUpstream((query, transport) =>
    transport === 'udp'
      ? answerTo(query, ['192.0.2.1'], { flags: 0x8380 })
      : Buffer.from('nonsense, of some length'),
  )
  await using server = await forwarding([upstream.where])
  using udp = await udpClient(server.port)
  udp.send(question(name))
  t.match(header((await udp.received(1))[0] as Buffer), { tc: true, answers: 1 })
})

t.test('the next upstream is asked', async (t) => {
  for (const [say, rcode] of [
    ['after SERVFAIL', 2],
    ['after REFUSED', 5],
  ] as const) {
    await using first = await fakeUpstream((query) => answerTo(query, [], { rcode }))
    await using second = await fakeUpstream(good)
    await using server = await forwarding([first.where, second.where])
    t.same((await server.dns.query(name)).status, 'NOERROR', say)
    t.equal(first.queries.length, 1)
  }
  await using second = await fakeUpstream(good)
  const dead = await freePort()
  // The test does not wait: this clock stands still.
  const options = { clock: new ManualClock() }
  await using server = await forwarding([`127.0.0.1:${dead}`, second.where], options)
  t.same((await server.dns.query(name)).status, 'NOERROR', 'where nobody is')
})

t.test('NXDOMAIN is an answer, and so is the last SERVFAIL', async (t) => {
  await using first = await fakeUpstream((query) => answerTo(query, [], { rcode: 3 }))
  await using second = await fakeUpstream((query) => answerTo(query, [], { rcode: 2 }))
  await using server = await forwarding([first.where, second.where])
  t.equal((await server.dns.query(name)).status, 'NXDOMAIN')
  t.equal(second.queries.length, 0)
  await using failing = await forwarding([second.where])
  t.equal((await failing.dns.query(name)).status, 'SERVFAIL')
  t.match(failing.dns.counters, { unreachable: 0 })
})

t.test('a silent upstream has two seconds, all together four and a half', async (t) => {
  await using first = await fakeUpstream(silent)
  await using second = await fakeUpstream(silent)
  const clock = new ManualClock()
  await using server = await forwarding([first.where, second.where], { clock })
  using client = await udpClient(server.port)
  client.send(question(name, 'A', { rest: [opt()] }))
  await until(() => first.queries.length === 1, 'the first is asked')
  clock.advance(1999)
  t.equal(second.queries.length, 0)
  clock.advance(1)
  await until(() => second.queries.length === 1, 'the second is asked')
  clock.advance(2000)
  await until(() => first.queries.length === 2, 'the first is asked again')
  t.equal(client.answers.length, 0)
  clock.advance(500)
  const [answer] = await client.received(1)
  t.match(header(answer as Buffer), { rcode: 2, ra: true, additionals: 1 })
  t.equal(answer?.subarray(-6).toString('hex'), '000f00020016', 'No Reachable Authority (8914)')
  t.match(server.dns.counters, { unreachable: 1 })

  client.send(question('other.example.com'))
  await until(() => first.queries.length + second.queries.length === 4, 'the next query')
  t.equal(second.queries.length, 1, 'both were silent: the order stays')
  clock.advance(4500)
  await client.received(2)
})

t.test('an upstream that was silent goes last for a while', async (t) => {
  await using first = await fakeUpstream(silent)
  await using second = await fakeUpstream(good)
  const clock = new ManualClock()
  await using server = await forwarding([first.where, second.where], { clock })
  const slow = server.dns.query('a.example.com')
  await until(() => first.queries.length === 1, 'the first is asked')
  clock.advance(2000)
  t.equal((await slow).status, 'NOERROR')
  t.equal((await server.dns.query('b.example.com')).status, 'NOERROR')
  t.equal(first.queries.length, 1, 'not asked')
  clock.advance(10_001)
  const again = server.dns.query('c.example.com')
  await until(() => first.queries.length === 2, 'asked again')
  clock.advance(2000)
  t.equal((await again).status, 'NOERROR')
})

t.test('equal questions in flight are asked once, and each asker gets its own id', async (t) => {
  const held: Buffer[] = []
  await using upstream = await fakeUpstream((query) => void held.push(query))
  await using server = await forwarding([upstream.where])
  using client = await udpClient(server.port)
  for (let id = 1; id <= 50; id++) client.send(question(name, 'A', { id }))
  await until(() => server.dns.counters.queries === 50 && held.length === 1, 'all queries')
  upstream.say(answerTo(held[0] as Buffer, ['192.0.2.1']))
  const answers = await client.received(50)
  t.same(
    answers.map((answer) => answer.readUInt16BE(0)).sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, index) => index + 1),
  )
  t.ok(answers.every((answer) => header(answer).answers === 1))
  t.equal(upstream.queries.length, 1)
  t.equal(server.dns.counters.forwarded, 50)
})

t.test('however many are asked at once, all are answered, if slowly (D04)', async (t) => {
  const slow = async (limits: DnsServerOptions['limits'], count: number, delay: number) => {
    await using upstream = await fakeUpstream((query) => {
      const port = upstream.queries.at(-1)?.port
      setTimeout(() => upstream.say(answerTo(query, ['192.0.2.1']), port), delay)
      return undefined
    })
    await using server = await forwarding([upstream.where], limits === undefined ? {} : { limits })
    using client = await udpClient(server.port)
    const open = new Set(Array.from({ length: count }, (_, id) => id))
    // As stub resolvers do: what a full buffer of this one process has dropped is asked again.
    for (let attempt = 0; attempt < 4 && open.size > 0; attempt++) {
      for (const id of [...open]) {
        client.send(question(`slow${id}.example.com`, 'A', { id }))
        if (id % 25 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      const deadline = performance.now() + 5_000
      while (open.size > 0 && performance.now() < deadline) {
        await new Promise((resolve) => setImmediate(resolve))
        for (const answer of client.answers.splice(0)) {
          const { id, rcode, answers } = header(answer)
          if (rcode === 0 && answers === 1) open.delete(id)
        }
      }
    }
    t.same([...open], [], `${count} of ${count}`)
    t.match(server.dns.counters, { overloaded: 0, unreachable: 0, waiting: 0 })
    t.ok(server.dns.counters.forwarded >= count)
  }
  await slow(undefined, 400, 1500)
  await slow({ forwardsPerClient: 16 }, 200, 100)
  await slow({ forwards: 16 }, 200, 100)
})

t.test(
  'what is above a limit waits for its turn, until its client gives up; more is refused (D04)',
  async (t) => {
    await using upstream = await fakeUpstream(silent)
    const clock = new ManualClock()
    const limits = { forwards: 6, forwardsPerClient: 4, forwardQueue: 7, forwardQueuePerClient: 5 }
    await using server = await forwarding([upstream.where], { clock, limits })
    using one = await udpClient(server.port, '127.0.0.2')
    using two = await udpClient(server.port, '127.0.0.3')
    for (let id = 0; id < 10; id++) one.send(question(`a${id}.example.com`, 'A', { id }))
    t.match(header((await one.received(1))[0] as Buffer), { rcode: 5, id: 9 }, 'four are asked, five wait')
    t.equal(upstream.queries.length, 4)
    for (let id = 0; id < 5; id++) two.send(question(`b${id}.example.com`, 'A', { id }))
    t.match(header((await two.received(1))[0] as Buffer), { rcode: 5, id: 4 }, 'two are asked, two wait')
    await until(() => upstream.queries.length === 6, 'six are asked')
    t.match(server.dns.counters, { overloaded: 2, waiting: 13 })
    t.equal((await dig(server.port, 'x.dev.internal')).status, 'NXDOMAIN', 'what is ours goes on')

    clock.advance(1000)
    const answer = (label: string) => {
      const { message, port } = upstream.queries.find((query) => query.message.includes(label)) as {
        message: Buffer
        port: number
      }
      upstream.say(answerTo(message, ['192.0.2.1']), port)
    }
    const asked = (count: number) => until(() => upstream.queries.length === count, `${count} are asked`)
    answer('a0')
    await asked(7)
    t.ok(upstream.queries[6]?.message.includes('a4'), 'the oldest one that waits')
    answer('a1')
    await asked(8)
    t.ok(upstream.queries[7]?.message.includes('b2'), 'clients take turns')
    answer('b0')
    await asked(9)
    t.ok(upstream.queries[8]?.message.includes('a5'))
    const before = one.answers.length + two.answers.length
    t.equal(before, 5)
    clock.advance(3500)
    await one.received(10)
    await two.received(5)
    t.match(server.dns.counters, { waiting: 0, unreachable: 10 }, 'four and a half seconds, waiting included')
    one.send(question('again.example.com'))
    await until(
      () => upstream.queries.some(({ message }) => message.includes('again')),
      'there is room again',
    )
    clock.advance(4500)
    await one.received(11)
  },
)

t.test('equal questions that waited are asked once, each within its own time (D04)', async (t) => {
  await using upstream = await fakeUpstream(silent)
  const clock = new ManualClock()
  const limits = { forwards: 2, forwardsPerClient: 1 }
  await using server = await forwarding([upstream.where], { clock, limits })
  using one = await udpClient(server.port, '127.0.0.2')
  using two = await udpClient(server.port, '127.0.0.3')
  one.send(question('first.example.com', 'A', { id: 1 }))
  await until(() => upstream.queries.length === 1, 'the first is asked')
  one.send(question(name, 'A', { id: 2 }))
  await until(() => server.dns.counters.waiting === 2, 'the second waits')
  clock.advance(1900)
  two.send(question(name, 'A', { id: 3 }))
  await until(() => upstream.queries.length === 2, 'the same of another client is asked')
  upstream.say(answerTo(upstream.queries[0]?.message as Buffer, ['192.0.2.1']), upstream.queries[0]?.port)
  await one.received(1)
  clock.advance(2600)
  t.match(header((await one.received(2))[1] as Buffer), { id: 2, rcode: 2 }, 'its time is over')
  t.equal(two.answers.length, 0)
  clock.advance(1900)
  t.match(header((await two.received(1))[0] as Buffer), { id: 3, rcode: 2 })
  t.match(server.dns.counters, { waiting: 0 })
})

t.test('queries that wait for a turn end with the server (D04)', async (t) => {
  await using upstream = await fakeUpstream(silent)
  const limits = { forwards: 1, drain: 1 }
  const server = await forwarding([upstream.where], { limits })
  using client = await udpClient(server.port)
  for (let id = 0; id < 3; id++) client.send(question(`a${id}.example.com`, 'A', { id }))
  await until(() => server.dns.counters.waiting === 3, 'all are there')
  await server.dns.close()
  t.ok((await client.received(3)).every((answer) => header(answer).rcode === 2))
})

t.test('upstreams that are silent cost one lookup, not one in ten seconds (D08)', async (t) => {
  await using dead = await fakeUpstream(silent)
  await using deaf = await fakeUpstream(silent)
  await using alive = await fakeUpstream(good)
  const clock = new ManualClock()
  await using server = await forwarding([dead.where, deaf.where, alive.where], { clock })
  const ask = async (label: string) => (await server.dns.query(`${label}.example.com`)).status
  const first = ask('first')
  await until(() => dead.queries.length === 1, 'the first is asked')
  clock.advance(2000)
  await until(() => deaf.queries.length === 1, 'the second is asked')
  clock.advance(2000)
  t.equal(await first, 'NOERROR')
  for (let round = 1; round <= 5; round++) {
    clock.advance(10_001)
    const before = dead.queries.length
    // The clock stands still: who waits for a silent one waits for ever.
    t.equal(await ask(`round${round}`), 'NOERROR', `round ${round}`)
    await until(() => dead.queries.length === before + 1 && deaf.queries.length === before + 1, 'a trial')
    t.equal(await ask(`more${round}`), 'NOERROR')
    t.equal(dead.queries.length, before + 1, 'one trial in each pause')
    clock.advance(2000)
  }
})

t.test('an upstream that answers again has its place again (D08)', async (t) => {
  let up = false
  await using first = await fakeUpstream((query) => (up ? answerTo(query, ['192.0.2.9']) : undefined))
  await using second = await fakeUpstream(good)
  const clock = new ManualClock()
  await using server = await forwarding([first.where, second.where], { clock })
  const ask = async (label: string) => (await server.dns.query(`${label}.example.com`)).answers[0]?.data
  const slow = ask('a')
  await until(() => first.queries.length === 1, 'the first is asked')
  clock.advance(2000)
  t.equal(await slow, '192.0.2.1')
  up = true
  t.equal(await ask('b'), '192.0.2.1', 'the pause is not over')
  clock.advance(10_001)
  t.equal(await ask('c'), '192.0.2.1', 'it is tried beside the other')
  await until(() => first.queries.length === 2, 'the trial')
  let answered: string | undefined
  for (let n = 0; answered !== '192.0.2.9' && n < 1000; n++) answered = await ask(`d${n}`)
  t.equal(answered, '192.0.2.9')
})

t.test('no upstream at all is SERVFAIL at once', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-dns-'))
  t.teardown(() => removeTree(directory))
  await using server = await forwarding([], { upstreams: 'system', resolvConf: join(directory, 'missing') })
  t.equal((await dig(server.port, name)).status, 'SERVFAIL')
})

t.test('resolv.conf is followed, through its link, and never forgotten', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-dns-'))
  t.teardown(() => removeTree(directory))
  const path = join(directory, 'resolv.conf')
  const addresses = upstreamSource('system', path, [{ address: '10.0.0.1', port: 53 }])
  const list = () => addresses().map(({ address }) => address)
  t.same(list(), [])
  writeFileSync(join(directory, 'a'), 'nameserver 192.0.2.1\n')
  symlinkSync('a', path)
  t.same(list(), ['192.0.2.1'])
  writeFileSync(join(directory, 'a'), 'nameserver 192.0.2.2\nnameserver 10.0.0.1\n')
  t.same(list(), ['192.0.2.2'], 'our own listener is left out')
  writeFileSync(join(directory, 'a'), '')
  t.same(list(), ['192.0.2.2'], 'while somebody writes it')
  writeFileSync(join(directory, 'b'), 'nameserver 192.0.2.3\n')
  symlinkSync('b', join(directory, 'new'))
  renameSync(join(directory, 'new'), path)
  t.same(list(), ['192.0.2.3'], 'another link in its place')
  rmSync(path)
  t.same(list(), ['192.0.2.3'], 'and when it is gone')
})

t.test('what a resolv.conf may say', (t) => {
  const text = `# a comment
; another
search example.com
nameserver 127.0.0.53
nameserver\tfe80::1%eth0   # a scope
 nameserver 192.0.2.8
nameserver resolver.example.com
nameserver
options ndots:5
nameserver 2001:db8::1;x
nameserver 192.0.2.9`
  t.same(
    parseResolvConf(text).map(({ address }) => address),
    ['127.0.0.53', 'fe80::1%eth0', '2001:db8::1'],
  )
  t.end()
})

t.test('how upstreams are written', (t) => {
  t.same(parseUpstream('9.9.9.9'), { address: '9.9.9.9', port: 53 })
  t.same(parseUpstream('127.0.0.1:5300'), { address: '127.0.0.1', port: 5300 })
  t.same(parseUpstream('2001:db8::1'), { address: '2001:db8::1', port: 53 })
  t.same(parseUpstream('[2001:db8::1]:5300'), { address: '2001:db8::1', port: 5300 })
  t.same(parseUpstream('[::1]'), { address: '::1', port: 53 })
  for (const wrong of ['', 'dns.example.com', '9.9.9.9:', '9.9.9.9:0', '9.9.9.9:65536', '[::1', ':53']) {
    t.throws(() => parseUpstream(wrong), { code: 'INVALID_OPTION' }, wrong)
  }
  t.end()
})

t.test('a server that is its own upstream does not ask itself', async (t) => {
  const port = await freePort()
  await using server = await forwarding([`127.0.0.1:${port}`], { listen: [{ address: '127.0.0.1', port }] })
  t.equal((await dig(port, name)).status, 'SERVFAIL')
  t.match(server.dns.counters, { queries: 1, unreachable: 1 })
})

t.test('query() ends with its signal, and with the server', async (t) => {
  await using upstream = await fakeUpstream(silent)
  await using server = await forwarding([upstream.where], { limits: { drain: 1 } })
  const controller = new AbortController()
  const aborted = server.dns.query(name, 'A', { signal: controller.signal })
  controller.abort(new Error('no longer wanted'))
  await t.rejects(aborted, { message: 'no longer wanted' })
  const cut = server.dns.query('b.example.com')
  await server.dns.close()
  t.equal((await cut).status, 'SERVFAIL')
  await t.rejects(server.dns.query(name), { code: 'CLOSED' })
})

t.test('an answer that is malformed is told of, soon', async (t) => {
  // Each pointer leads to the one before it: a careless reader would follow all of them for every record.
  const chain = (query: Buffer) => {
    const answer = Buffer.concat([answerTo(query), Buffer.alloc(20_000)])
    answer.writeUInt16BE(1000, 6)
    for (let at = 400; at < 16_000; at += 2) answer.writeUInt16BE(0xc000 | (at - 2), at)
    return answer
  }
  const broken: [say: string, behave: Behaviour][] = [
    [
      'a chain of pointers',
      (query, transport) => (transport === 'udp' ? answerTo(query, [], { flags: 0x8380 }) : chain(query)),
    ],
    [
      'a pointer to itself',
      (query) => {
        const answer = answerTo(query, ['192.0.2.1'])
        answer.writeUInt16BE(0xc000 | (answer.length - 16), answer.length - 16)
        return answer
      },
    ],
    [
      'records that are not there',
      (query) => {
        const answer = answerTo(query)
        answer.writeUInt16BE(65535, 6)
        return answer
      },
    ],
    [
      'an address of three octets',
      (query) => {
        const answer = answerTo(query, ['192.0.2.1'])
        answer.writeUInt16BE(3, answer.length - 6)
        return answer.subarray(0, -1)
      },
    ],
  ]
  for (const [say, behave] of broken) {
    await using upstream = await fakeUpstream(behave)
    // The test does not wait: this clock stands still.
    await using server = await forwarding([upstream.where], { clock: new ManualClock() })
    await t.rejects(server.dns.query(name), { code: 'INVALID_ANSWER' }, say)
  }
})
