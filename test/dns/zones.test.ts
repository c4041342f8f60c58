import t from 'tap'
import { createDnsServer, DnsError, type DnsServer } from '../../dns/index.ts'
import { parseAddress } from '../../dns/wire/address.ts'
import { arpaName } from '../../dns/wire/arpa-name.ts'
import { textName } from '../../dns/wire/name.ts'
import { reverseZones } from '../../dns/zones/reverse-zones.ts'

async function data(dns: DnsServer, name: string, type = 'A', as?: string): Promise<string[] | string> {
  const { status, answers } = await dns.query(name, type, as === undefined ? {} : { as })
  return status === 'NOERROR' ? answers.map((record) => record.data) : status
}

async function server() {
  return createDnsServer({ zones: ['dev.internal', 'b.dev.internal'], reverse: ['10.0.0.0/16'] })
}

t.test('a change is seen by the next query', async (t) => {
  await using dns = await server()
  const zone = dns.zone('Dev.Internal.')
  t.equal(zone.name, 'dev.internal')
  zone.set('db', ['10.0.0.7'])
  t.same(await data(dns, 'db.dev.internal'), ['10.0.0.7'])
  t.same(await data(dns, '7.0.0.10.in-addr.arpa', 'PTR'), ['db.dev.internal'])
  zone.set('DB', ['10.0.0.8'])
  t.same(await data(dns, 'db.dev.internal'), ['10.0.0.8'])
  t.same(await data(dns, '7.0.0.10.in-addr.arpa', 'PTR'), 'NXDOMAIN')
  t.same(await data(dns, '8.0.0.10.in-addr.arpa', 'PTR'), ['db.dev.internal'])
  t.equal(zone.delete('db'), true)
  t.equal(zone.delete('db'), false)
  t.same(await data(dns, 'db.dev.internal'), 'NXDOMAIN')
  t.same(await data(dns, '8.0.0.10.in-addr.arpa', 'PTR'), 'NXDOMAIN')
})

t.test('what a zone holds can be read', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.set('One', ['10.0.0.1', 'FD00::0:1', '10.0.0.1'])
  zone.set('two.dev.internal.', [])
  zone.set('@', ['10.0.0.3'])
  t.same(
    [...zone.entries()],
    [
      ['one', ['10.0.0.1', 'fd00::1']],
      ['two', []],
      ['@', ['10.0.0.3']],
    ],
  )
  t.same(zone.get('ONE'), ['10.0.0.1', 'fd00::1'])
  t.equal(zone.get('three'), undefined)
  t.same(await data(dns, 'dev.internal'), ['10.0.0.3'])
  zone.delete('@')
  t.same(await data(dns, 'dev.internal'), [], 'the zone itself stays')
})

t.test('names above a name exist as long as it does', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.set('x.y.z', ['10.0.0.1'])
  zone.set('y.z', ['10.0.0.2'])
  zone.delete('x.y.z')
  t.same(await data(dns, 'z.dev.internal'), [])
  zone.set('x.y.z', ['10.0.0.1'])
  zone.delete('y.z')
  t.same(await data(dns, 'y.z.dev.internal'), [], 'still above x.y.z')
  zone.delete('x.y.z')
  for (const gone of ['x.y.z', 'y.z', 'z']) t.same(await data(dns, `${gone}.dev.internal`), 'NXDOMAIN', gone)
})

t.test('a thousand names come and go and leave nothing', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  const names = Array.from({ length: 1000 }, (_, index) => `n${index}.g${index % 7}`)
  for (const [index, name] of names.entries()) zone.set(name, [`10.0.${index >> 8}.${index & 255}`])
  t.same(await data(dns, 'n999.g5.dev.internal'), ['10.0.3.231'])
  for (const name of names) zone.delete(name)
  t.same([...zone.entries()], [])
  for (let group = 0; group < 7; group++) t.same(await data(dns, `g${group}.dev.internal`), 'NXDOMAIN')
  t.same(await data(dns, '3.0.10.in-addr.arpa', 'PTR'), 'NXDOMAIN')
})

t.test('text and CNAME', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.setText('db', ['a "quoted" text', ''])
  t.same(await data(dns, 'db.dev.internal', 'TXT'), ['"a \\"quoted\\" text" ""'])
  zone.set('db', ['10.0.0.1'])
  zone.setText('db', [])
  t.same(await data(dns, 'db.dev.internal', 'TXT'), [])
  t.throws(() => zone.setText('db', ['x'.repeat(256)]), { code: 'INVALID_RECORD' })
  zone.setCname('www', 'db')
  t.throws(() => zone.set('www', ['10.0.0.2']), { code: 'CNAME_CONFLICT' })
  t.throws(() => zone.setText('www', ['x']), { code: 'CNAME_CONFLICT' })
  t.throws(() => zone.setCname('db', 'www'), { code: 'CNAME_CONFLICT' })
  t.throws(() => zone.setCname('@', 'www'), { code: 'CNAME_CONFLICT' })
  zone.setCname('www', 'elsewhere.example.com.')
  t.same(await data(dns, 'www.dev.internal', 'CNAME'), ['elsewhere.example.com'])
  zone.delete('www')
  zone.set('www', ['10.0.0.2'])
  t.same(await data(dns, 'www.dev.internal'), ['10.0.0.2'])
})

t.test('what is wrong is told when it is added, and changes nothing', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.set('db', ['10.0.0.7'])
  const wrong: [name: string, addresses: string[], code: string][] = [
    ['', ['10.0.0.1'], 'INVALID_NAME'],
    ['a..b', ['10.0.0.1'], 'INVALID_NAME'],
    ['.a', ['10.0.0.1'], 'INVALID_NAME'],
    ['bad name', ['10.0.0.1'], 'INVALID_NAME'],
    ['ü', ['10.0.0.1'], 'INVALID_NAME'],
    ['a\u0000b', ['10.0.0.1'], 'INVALID_NAME'],
    ['*', ['10.0.0.1'], 'INVALID_NAME'],
    ['x'.repeat(64), ['10.0.0.1'], 'INVALID_NAME'],
    [`${'x.'.repeat(121)}x`, ['10.0.0.1'], 'INVALID_NAME'],
    ['db.example.com.', ['10.0.0.1'], 'NOT_IN_ZONE'],
    ['x.b', ['10.0.0.1'], 'NOT_IN_ZONE'],
    ['db', ['10.0.0.256'], 'INVALID_ADDRESS'],
    ['db', ['10.0.0.1', 'example.com'], 'INVALID_ADDRESS'],
    ['db', ['10.0.0.1/24'], 'INVALID_ADDRESS'],
    ['db', ['fe80::1%eth0'], 'INVALID_ADDRESS'],
    ['db', ['::ffff:10.0.0.1'], 'INVALID_ADDRESS'],
    ['db', ['010.0.0.1'], 'INVALID_ADDRESS'],
    ['db', [7 as unknown as string], 'INVALID_ADDRESS'],
    ['db', Array.from({ length: 101 }, (_, index) => `10.0.0.${index}`), 'INVALID_RECORD'],
  ]
  for (const [name, addresses, code] of wrong) {
    t.throws(() => zone.set(name, addresses), { name: 'DnsError', code }, `${name} ${addresses[0]}`)
  }
  t.same([...zone.entries()], [['db', ['10.0.0.7']]])
  t.throws(() => dns.zone('other.internal'), {
    code: 'UNKNOWN_ZONE',
    message: /dev\.internal, b\.dev\.internal/,
  })
  t.ok(new DnsError('CLOSED', '') instanceof Error)
})

t.test('views belong to one address each, however it is spelled', async (t) => {
  await using dns = await server()
  dns.zone('dev.internal').set('db', ['10.0.0.7'])
  dns.zone('b.dev.internal').set('db', ['10.0.0.8'])
  dns.views.set('10.0.0.9', { Postgres: 'db', 'other.example.com.': 'db.b.dev.internal.' })
  dns.views.set('FD00:0::9', { postgres: 'db' })
  t.same(dns.views.get('10.0.0.9'), { postgres: 'db', 'other.example.com': 'db.b.dev.internal.' })
  t.same(
    [...dns.views.entries()].map(([client]) => client),
    ['10.0.0.9', 'fd00::9'],
  )
  t.same(await data(dns, 'postgres', 'A', '10.0.0.9'), ['10.0.0.7'])
  t.same(await data(dns, 'other.example.com', 'A', '10.0.0.9'), ['10.0.0.8'])
  t.same(await data(dns, 'postgres', 'A', 'fd00::9'), ['10.0.0.7'])
  t.same(await data(dns, 'postgres'), 'NXDOMAIN', 'nobody in particular sees no view')
  dns.zone('dev.internal').set('db', ['10.0.0.70'])
  t.same(await data(dns, 'postgres', 'A', '10.0.0.9'), ['10.0.0.70'], 'an alias follows its name')
  dns.zone('dev.internal').delete('db')
  t.same(await data(dns, 'postgres', 'A', '10.0.0.9'), 'NXDOMAIN')
  t.equal(dns.views.delete('10.0.0.9'), true)
  t.equal(dns.views.delete('10.0.0.9'), false)
  t.equal(dns.views.get('10.0.0.9'), undefined)
})

t.test('a view that is wrong changes nothing', async (t) => {
  await using dns = await server()
  dns.views.set('10.0.0.9', { postgres: 'db' })
  const wrong: [client: string, aliases: Record<string, string>, code: string][] = [
    ['10.0.0', { postgres: 'db' }, 'INVALID_ADDRESS'],
    ['10.0.0.9', { 'bad name': 'db' }, 'INVALID_NAME'],
    ['10.0.0.9', { localhost: 'db' }, 'INVALID_NAME'],
    ['10.0.0.9', { 'x.localhost.': 'db' }, 'INVALID_NAME'],
    ['10.0.0.9', { a: 'db', A: 'db2' }, 'INVALID_NAME'],
    ['10.0.0.9', { a: 'bad name' }, 'INVALID_NAME'],
    ['10.0.0.9', { a: 'db.example.com.' }, 'NOT_IN_ZONE'],
  ]
  for (const [client, aliases, code] of wrong) {
    t.throws(() => dns.views.set(client, aliases), { name: 'DnsError', code }, JSON.stringify(aliases))
  }
  t.same(dns.views.get('10.0.0.9'), { postgres: 'db' })
})

t.test('an update is seen as a whole, or not at all', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.set('old', ['10.0.0.1'])
  zone.setText('old', ['text'])
  zone.setCname('www', 'old')
  zone.set('gone', ['10.0.0.2'])
  dns.views.set('10.0.0.9', { a: 'old' })
  const before = () => [[...zone.entries()].sort(), [...dns.views.entries()]]
  const state = before()
  t.throws(
    () =>
      dns.update((tx) => {
        tx.zone('dev.internal').set('old', ['10.0.0.5'])
        tx.zone('dev.internal').delete('gone')
        tx.zone('dev.internal').set('new.below', ['10.0.0.6'])
        tx.zone('dev.internal').setText('old', [])
        tx.zone('dev.internal').setCname('www', 'new.below')
        t.same(tx.zone('dev.internal').get('old'), ['10.0.0.5'], 'it sees its own changes')
        tx.views.set('10.0.0.9', { b: 'old' })
        tx.views.set('10.0.0.10', { b: 'old' })
        tx.views.delete('10.0.0.9')
        throw new Error('on second thoughts')
      }),
    { message: 'on second thoughts' },
  )
  t.same(before(), state)
  t.same(await data(dns, 'old.dev.internal'), ['10.0.0.1'])
  t.same(await data(dns, 'old.dev.internal', 'TXT'), ['"text"'])
  t.same(await data(dns, 'www.dev.internal', 'CNAME'), ['old.dev.internal'])
  t.same(await data(dns, 'below.dev.internal'), 'NXDOMAIN')
  t.same(await data(dns, '2.0.0.10.in-addr.arpa', 'PTR'), ['gone.dev.internal'])
  t.same(await data(dns, '6.0.0.10.in-addr.arpa', 'PTR'), 'NXDOMAIN')
  t.same(await data(dns, 'a', 'A', '10.0.0.9'), ['10.0.0.1'])
  dns.update((tx) => {
    tx.zone('dev.internal').set('old', ['10.0.0.5'])
    tx.views.set('10.0.0.9', { b: 'old' })
  })
  t.same(await data(dns, 'b', 'A', '10.0.0.9'), ['10.0.0.5'])
})

t.test('an update ends when its function returns', async (t) => {
  await using dns = await server()
  const late: (() => void)[] = []
  dns.update((tx) => {
    const zone = tx.zone('dev.internal')
    late.push(() => zone.set('late', ['10.0.0.1']))
  })
  for (const change of late) t.throws(change, { code: 'TRANSACTION' })
  t.throws(
    () =>
      dns.update(async (tx) => {
        tx.zone('dev.internal').set('late', ['10.0.0.1'])
      }),
    { code: 'TRANSACTION' },
  )
  t.equal(dns.zone('dev.internal').get('late'), undefined)
})

t.test('reverse names and zones', (t) => {
  t.equal(textName(arpaName(parseAddress('10.1.2.3').octets)), '3.2.1.10.in-addr.arpa')
  t.equal(
    textName(arpaName(parseAddress('2001:db8::567:89ab').octets)),
    'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
  )
  t.same(reverseZones('10.88.0.0/16'), ['88.10.in-addr.arpa'])
  t.same(reverseZones('10.88.3.4/16'), ['88.10.in-addr.arpa'])
  t.same(reverseZones('0.0.0.0/0'), ['in-addr.arpa'])
  t.same(reverseZones('10.0.0.7/32'), ['7.0.0.10.in-addr.arpa'])
  t.same(
    reverseZones('10.0.4.0/22'),
    [4, 5, 6, 7].map((third) => `${third}.0.10.in-addr.arpa`),
  )
  t.equal(reverseZones('10.0.0.0/25').length, 128)
  t.same(reverseZones('fd00:88::/32'), ['8.8.0.0.0.0.d.f.ip6.arpa'])
  t.same(reverseZones('fd00::/7').length, 2)
  for (const wrong of [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    'fd00::/129',
    '10.0.0.0/8/8',
    'x/8',
  ]) {
    t.throws(() => reverseZones(wrong), { name: 'DnsError' }, wrong)
  }
  t.end()
})

t.test('options that are wrong (E31)', async (t) => {
  const wrong: [options: object, code: string][] = [
    [{ zones: [] }, 'INVALID_OPTION'],
    [{ zone: 'z' }, 'INVALID_OPTION'],
    [{ zones: 'z' }, 'INVALID_OPTION'],
    [{ zones: [7] }, 'INVALID_OPTION'],
    [{}, 'INVALID_OPTION'],
    [{ zones: ['a b'] }, 'INVALID_NAME'],
    [{ zones: ['a'], ttl: -1 }, 'INVALID_OPTION'],
    [{ zones: ['a'], ttl: 2 ** 31 }, 'INVALID_OPTION'],
    [{ zones: ['a'], reverse: ['10.0.0.0'] }, 'INVALID_OPTION'],
    [{ zones: ['a'], upstreams: 'google' }, 'INVALID_OPTION'],
    [{ zones: ['a'], upstreams: ['dns.example.com'] }, 'INVALID_OPTION'],
    [{ zones: ['a'], unknownClients: 'perhaps' }, 'INVALID_OPTION'],
    [{ zones: ['a'], listen: [{ address: 'localhost', port: 53 }] }, 'INVALID_OPTION'],
    [{ zones: ['a'], listen: [{ address: '127.0.0.1', port: -1 }] }, 'INVALID_OPTION'],
  ]
  for (const [options, code] of wrong) {
    await t.rejects(createDnsServer(options as never), { name: 'DnsError', code }, JSON.stringify(options))
  }
})

t.test('query() says what is wrong with a question', async (t) => {
  await using dns = await server()
  await t.rejects(dns.query('a..b'), { code: 'INVALID_NAME' })
  await t.rejects(dns.query('a', 'NONSENSE'), { code: 'INVALID_TYPE' })
  await t.rejects(dns.query('a', 'A', { as: 'me' }), { code: 'INVALID_ADDRESS' })
  await t.rejects(dns.query('a', 'A', { signal: AbortSignal.abort(new Error('stop')) }), { message: 'stop' })
  t.match(await dns.query('_dmarc.dev.internal', 'txt'), {
    name: '_dmarc.dev.internal',
    type: 'TXT',
    status: 'NXDOMAIN',
  })
  t.equal((await dns.query('dev.internal', 'TYPE65')).type, 'HTTPS')
  t.match(dns.counters, { queries: 0 }, 'what the owner asks is not counted')
})

t.test('the time that answers may be kept', async (t) => {
  await using dns = await createDnsServer({ zones: ['dev.internal'], ttl: 5 })
  dns.zone('dev.internal').set('db', ['10.0.0.1'])
  t.match((await dns.query('db.dev.internal')).answers, [{ ttl: 5 }])
  const soa = await dns.query('dev.internal', 'SOA')
  t.match(soa.answers, [{ ttl: 5, data: /^dev\.internal hostmaster\.dev\.internal \d+ 3600 600 86400 5$/ }])
})

t.test('a zone can be the root, or a name that is special elsewhere', async (t) => {
  await using root = await createDnsServer({ zones: ['.'] })
  root.zone('.').set('db', ['10.0.0.1'])
  t.same(await data(root, 'db'), ['10.0.0.1'])
  t.same(await data(root, 'x'), 'NXDOMAIN')
  t.match((await root.query('.', 'SOA')).answers, [{ name: '.', type: 'SOA' }])
  await using mine = await createDnsServer({ zones: ['svc.localhost', 'invalid'] })
  mine.zone('svc.localhost').set('db', ['10.0.0.1'])
  mine.zone('invalid').set('db', ['10.0.0.2'])
  t.same(await data(mine, 'db.svc.localhost'), ['10.0.0.1'])
  t.same(await data(mine, 'x.svc.localhost'), 'NXDOMAIN')
  t.same(await data(mine, 'x.localhost'), ['127.0.0.1'])
  t.same(await data(mine, 'db.invalid'), ['10.0.0.2'])
})
