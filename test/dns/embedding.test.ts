import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'

const run = promisify(execFile)

/** Asks with `dig`. Returns status and answers. */
async function dig(
  port: number,
  ...args: string[]
): Promise<{ status: string; answers: string[]; text: string }> {
  const { stdout } = await run('dig', ['@127.0.0.1', '-p', String(port), '+tries=1', '+time=3', ...args])
  const status = /status: (\w+)/.exec(stdout)?.[1] ?? ''
  const section = /;; ANSWER SECTION:\n([\s\S]*?)\n\n/.exec(stdout)?.[1] ?? ''
  return {
    status,
    answers: section
      .split('\n')
      .filter(Boolean)
      .map((line) => line.replace(/\s+/g, ' ')),
    text: stdout,
  }
}

async function server(options: { upstreams?: string[]; unknownClients?: 'zone' | 'refuse' } = {}) {
  const dns = await createDnsServer({
    zones: ['dev.internal'],
    reverse: ['10.0.0.0/16'],
    listen: [{ address: '127.0.0.1', port: 0 }],
    upstreams: options.upstreams ?? 'none',
    ...(options.unknownClients ? { unknownClients: options.unknownClients } : {}),
  })
  dns.update((tx) => {
    tx.zone('dev.internal').set('db', ['10.0.0.7', 'fd00::7'])
    tx.zone('dev.internal').set('deep.below', ['10.0.1.8'])
  })
  return { dns, port: dns.addresses[0]?.port ?? 0 }
}

t.test('questions and what they get', async (t) => {
  const { dns, port } = await server()
  t.teardown(() => dns.close())
  const cases: [question: string[], status: string, answers: string[]][] = [
    [['db.dev.internal', 'A'], 'NOERROR', ['db.dev.internal. 0 IN A 10.0.0.7']],
    [['DB.Dev.Internal', 'A'], 'NOERROR', ['DB.Dev.Internal. 0 IN A 10.0.0.7']],
    [['db.dev.internal', 'AAAA'], 'NOERROR', ['db.dev.internal. 0 IN AAAA fd00::7']],
    [['db.dev.internal', 'MX'], 'NOERROR', []],
    [['db.dev.internal', 'HTTPS'], 'NOERROR', []],
    [['below.dev.internal', 'A'], 'NOERROR', []],
    [['nothing.dev.internal', 'A'], 'NXDOMAIN', []],
    [['-x', '10.0.0.7'], 'NOERROR', ['7.0.0.10.in-addr.arpa. 0 IN PTR db.dev.internal.']],
    [['-x', '10.0.0.9'], 'NXDOMAIN', []],
    [['single', 'A'], 'NXDOMAIN', []],
    [['localhost', 'A'], 'NOERROR', ['localhost. 0 IN A 127.0.0.1']],
    [['dev.internal', 'A', '-c', 'CH'], 'REFUSED', []],
    [['db.dev.internal', 'A', '+edns=1', '+noednsneg'], 'BADVERS', []],
    [['db.dev.internal', 'A', '+opcode=notify'], 'NOTIMP', []],
  ]
  for (const [question, status, answers] of cases) {
    for (const transport of ['+notcp', '+tcp']) {
      const found = await dig(port, ...question, transport)
      t.same(
        { status: found.status, answers: found.answers },
        { status, answers },
        `${question.join(' ')} ${transport}`,
      )
    }
  }
  t.match((await dig(port, 'nothing.dev.internal')).text, /AUTHORITY SECTION:\n.*SOA/, 'a no carries the SOA')
})

t.test('a view is for its client alone, and a change is seen by the next query', async (t) => {
  const { dns, port } = await server()
  t.teardown(() => dns.close())
  t.equal((await dig(port, 'api.example.com')).status, 'REFUSED', 'nobody else’s names without upstreams')
  dns.update((tx) => tx.views.set('127.0.0.1', { 'api.example.com': 'db', postgres: 'db' }))
  t.same((await dig(port, 'api.example.com')).answers, ['api.example.com. 0 IN A 10.0.0.7'])
  t.same(
    (await dns.query('postgres', 'A', { as: '127.0.0.1' })).answers.map(({ data }) => data),
    ['10.0.0.7'],
  )
  t.equal((await dns.query('postgres', 'A', { as: '10.0.0.99' })).status, 'NXDOMAIN')
  dns.update((tx) => tx.zone('dev.internal').set('db', ['10.0.0.8']))
  t.same((await dig(port, 'postgres')).answers, ['postgres. 0 IN A 10.0.0.8'], 'the alias follows')
})

t.test('a transaction that fails changes nothing', async (t) => {
  const { dns } = await server()
  t.teardown(() => dns.close())
  t.throws(() =>
    dns.update((tx) => {
      tx.zone('dev.internal').set('db', ['10.0.0.1'])
      tx.zone('dev.internal').set('bad name', ['10.0.0.1'])
    }),
  )
  t.same(dns.zone('dev.internal').get('db'), ['10.0.0.7', 'fd00::7'])
  t.throws(() => dns.update((tx) => tx.zone('dev.internal').set('x', ['10.0.0.256'])))
})

t.test('other names are asked upstream, raw, and only answers to the question count', async (t) => {
  const upstream = createSocket('udp4')
  t.teardown(() => upstream.close())
  upstream.on('message', (query, { port, address }) => {
    const forged = Buffer.from(query)
    forged.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0)
    forged.writeUInt16BE(0x8180, 2)
    upstream.send(forged, port, address)
    const record = Buffer.from('c00c000100010000003c000401020304', 'hex')
    const end = query.indexOf(0, 12) + 5
    const answer = Buffer.concat([query.subarray(0, end), record])
    answer.writeUInt16BE(0x8180, 2)
    answer.writeUInt16BE(1, 6)
    answer.writeUInt16BE(0, 10)
    upstream.send(answer, port, address)
  })
  upstream.bind(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { dns, port } = await server({ upstreams: [`127.0.0.1:${upstream.address().port}`] })
  t.teardown(() => dns.close())
  t.same((await dig(port, 'www.example.org')).answers, ['www.example.org. 60 IN A 1.2.3.4'])
  t.equal((await dig(port, 'nothing.dev.internal')).status, 'NXDOMAIN', 'own names stay here')
})

t.test('an upstream that is not there is SERVFAIL, soon', async (t) => {
  const nobody = createSocket('udp4')
  nobody.bind(0, '127.0.0.1')
  await once(nobody, 'listening')
  const { port: closed } = nobody.address()
  nobody.close()
  const { dns, port } = await server({ upstreams: [`127.0.0.1:${closed}`] })
  t.teardown(() => dns.close())
  t.equal((await dig(port, 'www.example.org')).status, 'SERVFAIL')
})

t.test('clients without a view can be refused', async (t) => {
  const { dns, port } = await server({ unknownClients: 'refuse' })
  t.teardown(() => dns.close())
  t.equal((await dig(port, 'db.dev.internal')).status, 'REFUSED')
})

t.test('garbage neither stops it nor gets an answer to an answer', async (t) => {
  const { dns, port } = await server()
  t.teardown(() => dns.close())
  const client = createSocket('udp4')
  t.teardown(() => client.close())
  client.bind(0, '127.0.0.1')
  await once(client, 'listening')
  let toResponses = 0
  const responseId = 0xabcd
  client.on('message', (answer) => {
    if (answer.readUInt16BE(0) === responseId) toResponses += 1
  })
  const question = Buffer.from('abcd800000010000000000000264620364657608696e7465726e616c0000010001', 'hex')
  client.send(question, port, '127.0.0.1')
  let seed = 1
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
    return seed
  }
  for (let i = 0; i < 20_000; i += 1) {
    const message = Buffer.from(question)
    message.writeUInt16BE(random() & 0x7fff, 0)
    message.writeUInt16BE(random() & 0x7fff, 2)
    for (let n = random() % 4; n >= 0; n -= 1) message[4 + (random() % (message.length - 4))] = random() & 255
    client.send(message.subarray(0, 1 + (random() % message.length)), port, '127.0.0.1')
    if (i % 100 === 0) await new Promise(setImmediate)
  }
  // Datagrams that wait in the kernel would leave no room for the next question.
  for (let seen = -1; seen !== dns.counters.queries; await new Promise(setImmediate))
    seen = dns.counters.queries
  t.equal((await dig(port, 'db.dev.internal')).status, 'NOERROR', 'it goes on')
  t.equal(toResponses, 0)
})

t.test('half a message and a reset harm nobody', async (t) => {
  const { dns, port } = await server()
  t.teardown(() => dns.close())
  const sockets = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(Buffer.from('00ff12', 'hex'))
      return socket
    }),
  )
  t.equal((await dig(port, 'db.dev.internal', '+tcp')).status, 'NOERROR')
  for (const socket of sockets) socket.resetAndDestroy()
  t.equal((await dig(port, 'db.dev.internal')).status, 'NOERROR')
})

t.test('an address that is taken is told of', async (t) => {
  const { dns, port } = await server()
  t.teardown(() => dns.close())
  await t.rejects(createDnsServer({ zones: ['x.internal'], listen: [{ address: '127.0.0.1', port }] }), {
    name: 'DnsError',
    message: new RegExp(String(port)),
  })
})
