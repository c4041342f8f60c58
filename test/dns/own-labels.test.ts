/** What is below a label of ours is ours: aliases of one label, and short names. */
import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'
import { answerTo, fakeUpstream } from './fake-upstream.ts'
import { readOurs } from './read.ts'
import { ask, header, opt, question } from './wire.ts'

const client = '10.0.0.9'

async function server(where: string, options = {}) {
  const dns = await createDnsServer({ zones: ['dev.internal'], upstreams: [where], ...options })
  const zone = dns.zone('dev.internal')
  zone.set('db', ['10.0.0.7', 'fd00::7'])
  zone.set('queue', ['10.0.0.8'])
  return dns
}

t.test(
  'below an alias of one label nothing exists but what is bound, and nobody else is asked (D06)',
  async (t) => {
    await using upstream = await fakeUpstream((query) => answerTo(query, ['192.0.2.1']))
    await using dns = await server(upstream.where)
    dns.views.set(client, {
      s3: 'db',
      'pictures.s3': 'queue',
      'a.b.c.s3': 'db',
      gone: 'nobody',
      internal: 'db',
    })
    const cases: [name: string, type: string, status: string, data?: string][] = [
      ['s3', 'A', 'NOERROR', '10.0.0.7'],
      ['bucket.s3', 'A', 'NXDOMAIN'],
      ['bucket.s3', 'AAAA', 'NXDOMAIN'],
      ['BUCKET.S3', 'TXT', 'NXDOMAIN'],
      ['_amqp._tcp.s3', 'SRV', 'NXDOMAIN'],
      ['pictures.s3', 'A', 'NOERROR', '10.0.0.8'],
      ['x.pictures.s3', 'A', 'NXDOMAIN'],
      ['a.b.c.s3', 'A', 'NOERROR', '10.0.0.7'],
      ['b.c.s3', 'A', 'NOERROR'],
      ['c.s3', 'A', 'NOERROR'],
      ['x.c.s3', 'A', 'NXDOMAIN'],
      ['_redis._tcp.gone', 'SRV', 'NXDOMAIN'],
      ['ec2.internal', 'A', 'NXDOMAIN'],
      ['queue.dev.internal', 'A', 'NOERROR', '10.0.0.8'],
    ]
    for (const [name, type, status, data] of cases) {
      const answer = await dns.query(name, type, { as: client })
      t.same([answer.status, answer.answers[0]?.data], [status, data], `${name} ${type}`)
      t.equal(answer.authoritative, true)
    }
    t.equal(upstream.queries.length, 0, 'nobody else was asked')
    t.equal((await dns.query('bucket.s3', 'A', { as: '10.0.0.10' })).answers[0]?.data, '192.0.2.1', 'others')
    t.equal((await dns.query('s3.example.com', 'A', { as: client })).answers[0]?.data, '192.0.2.1')

    const { verdict, answer } = ask(dns, question('x.Pictures.s3', 'A', { rest: [opt()] }), { client })
    t.equal(verdict, 'view')
    t.match(header(answer as Buffer), { rcode: 3, aa: true, authorities: 1 })
    t.match(readOurs(answer as Buffer).authorities, [/^s3 0 SOA hostmaster\.s3|^s3 0 SOA s3 hostmaster\.s3/])
    dns.views.delete(client)
    t.equal(
      (await dns.query('bucket.s3', 'A', { as: client })).answers[0]?.data,
      '192.0.2.1',
      'no longer an alias',
    )
  },
)

t.test('a dotted alias owns only itself: it plays a host of the real world (D06)', async (t) => {
  await using upstream = await fakeUpstream((query) => answerTo(query, ['192.0.2.1']))
  await using dns = await server(upstream.where)
  dns.views.set(client, { 'api.example.com': 'db' })
  t.equal((await dns.query('api.example.com', 'A', { as: client })).answers[0]?.data, '10.0.0.7')
  for (const name of ['v2.api.example.com', 'www.example.com', 'example.com']) {
    t.equal((await dns.query(name, 'A', { as: client })).answers[0]?.data, '192.0.2.1', name)
  }
})

t.test('without upstreams, and where none may be asked, the answer is the same (D06)', async (t) => {
  for (const options of [{ upstreams: 'none' }, { upstreams: 'none', routes: { s3: ['127.0.0.1:1'] } }]) {
    await using dns = await server('', options)
    dns.views.set(client, { s3: 'db' }, { outside: false })
    t.equal((await dns.query('bucket.s3', 'A', { as: client })).status, 'NXDOMAIN')
  }
})

t.test('with short names a single label stands for a name of the first zone (E12)', async (t) => {
  await using upstream = await fakeUpstream((query) => answerTo(query, ['192.0.2.1']))
  await using dns = await server(upstream.where, { zones: ['dev.internal', 'b.internal'], shortNames: true })
  const zone = dns.zone('dev.internal')
  zone.set('test', ['10.0.0.20'])
  zone.set('below.parent', ['10.0.0.21'])
  zone.setText('text', ['a text'])
  zone.setCname('www', 'db')
  dns.zone('b.internal').set('second', ['10.0.0.22'])
  dns.views.set(client, { queue: 'db' })
  const cases: [name: string, type: string, status: string, data?: string][] = [
    ['db', 'A', 'NOERROR', '10.0.0.7'],
    ['DB', 'AAAA', 'NOERROR', 'fd00::7'],
    ['db', 'MX', 'NOERROR'],
    ['db.dev.internal', 'A', 'NOERROR', '10.0.0.7'],
    ['test', 'A', 'NOERROR', '10.0.0.20'],
    ['text', 'TXT', 'NOERROR', '"a text"'],
    ['www', 'A', 'NOERROR', '10.0.0.7'],
    ['localhost', 'A', 'NOERROR', '127.0.0.1'],
    ['second', 'A', 'NXDOMAIN'],
    ['parent', 'A', 'NXDOMAIN'],
    ['nobody', 'A', 'NXDOMAIN'],
    ['x'.repeat(63), 'A', 'NXDOMAIN'],
    ['_pg._tcp.db', 'SRV', 'NXDOMAIN'],
    ['x.db', 'A', 'NXDOMAIN'],
    ['x.parent', 'A', 'NOERROR', '192.0.2.1'],
    ['x.second', 'A', 'NOERROR', '192.0.2.1'],
  ]
  for (const as of [undefined, '10.0.0.10']) {
    for (const [name, type, status, data] of cases) {
      const answer = await dns.query(name, type, as === undefined ? {} : { as })
      t.same([answer.status, answer.answers[0]?.data], [status, data], `${name} ${type} as ${as}`)
    }
  }
  t.equal((await dns.query('queue', 'A', { as: client })).answers[0]?.data, '10.0.0.7', 'an alias goes first')
  t.equal((await dns.query('queue')).answers[0]?.data, '10.0.0.8')
  const { verdict, answer } = ask(dns, question('Db'))
  t.equal(verdict, 'zone')
  t.same(readOurs(answer as Buffer).answers, ['Db 0 A 10.0.0.7'], 'under the name that was asked')
  zone.set('db', ['10.0.0.77'])
  t.equal((await dns.query('db')).answers[0]?.data, '10.0.0.77')
  zone.delete('db')
  t.equal((await dns.query('db')).status, 'NXDOMAIN')
  t.equal((await dns.query('x.db')).answers[0]?.data, '192.0.2.1', 'ours no longer')
})

t.test('a view without all names has no other short names (E12)', async (t) => {
  await using upstream = await fakeUpstream((query) => answerTo(query, ['192.0.2.1']))
  await using dns = await server(upstream.where, { shortNames: true })
  dns.views.set(client, {}, { only: ['db', 'later'] })
  t.equal((await dns.query('db', 'A', { as: client })).answers[0]?.data, '10.0.0.7')
  t.equal((await dns.query('queue', 'A', { as: client })).status, 'NXDOMAIN')
  t.equal((await dns.query('later', 'A', { as: client })).status, 'NXDOMAIN')
  t.equal((await dns.query('x.db', 'A', { as: client })).status, 'NXDOMAIN')
  t.equal(
    (await dns.query('x.queue', 'A', { as: client })).answers[0]?.data,
    '192.0.2.1',
    'as if it were not',
  )
})

t.test('without short names a single label is nobody (E12)', async (t) => {
  await using dns = await server('127.0.0.1:1')
  t.equal((await dns.query('db')).status, 'NXDOMAIN')
})
