import t from 'tap'
import { createDnsServer, type DnsServer } from '../../dns/index.ts'
import { parseSubnet } from '../../dns/wire/subnet.ts'
import { ask, header, opt, question } from './wire.ts'

async function server() {
  const dns = await createDnsServer({
    zones: ['dev.internal'],
    reverse: ['10.0.0.0/16'],
    upstreams: ['127.0.0.1:1'],
  })
  const zone = dns.zone('dev.internal')
  zone.set('db', ['10.0.0.7'])
  zone.set('queue', ['10.0.0.8'])
  zone.set('deep.below', ['10.0.0.9'])
  zone.set('secret', ['10.0.0.10'])
  zone.set('twin', ['10.0.0.8'])
  zone.set('@', ['10.0.0.1'])
  zone.setSrv('_q._tcp', [
    { target: 'queue', port: 1 },
    { target: 'secret', port: 2 },
  ])
  zone.setCname('www', 'db')
  return dns
}

/** The data that a client gets, or the status if there is none. */
async function got(dns: DnsServer, as: string, name: string, type = 'A'): Promise<string> {
  const { status, answers } = await dns.query(name, type, { as })
  return answers.length > 0 ? answers.map(({ data }) => data).join(' ') : status
}

t.test('a view may be that of a subnet; the longest prefix wins', async (t) => {
  await using dns = await server()
  dns.views.set('10.0.0.0/8', { wide: 'db', same: 'db' })
  dns.views.set('10.1.2.3/16', { narrow: 'db', same: 'queue' })
  dns.views.set('10.1.2.9', { own: 'db', same: 'deep.below' })
  dns.views.set('fd00::/64', { six: 'db' })
  const cases: [client: string, name: string, got: string][] = [
    ['10.9.0.1', 'wide', '10.0.0.7'],
    ['10.9.0.1', 'same', '10.0.0.7'],
    ['10.9.0.1', 'narrow', 'NXDOMAIN'],
    ['10.1.0.1', 'narrow', '10.0.0.7'],
    ['10.1.0.1', 'same', '10.0.0.8'],
    ['10.1.0.1', 'wide', 'NXDOMAIN'],
    ['10.1.2.9', 'own', '10.0.0.7'],
    ['10.1.2.9', 'same', '10.0.0.9'],
    ['10.1.2.9', 'narrow', 'NXDOMAIN'],
    ['11.0.0.1', 'wide', 'NXDOMAIN'],
    ['fd00::1:2', 'six', '10.0.0.7'],
    ['fd00:0:0:1::1', 'six', 'NXDOMAIN'],
  ]
  for (const [client, name, want] of cases) t.equal(await got(dns, client, name), want, `${client} ${name}`)
  t.same(
    [...dns.views.entries()].map(([client]) => client),
    ['10.1.2.9', 'fd00::/64', '10.1.0.0/16', '10.0.0.0/8'],
  )
  t.same(dns.views.get('10.1.255.255/16'), { narrow: 'db', same: 'queue' })
  t.equal(dns.views.get('10.1.0.1'), undefined, 'nothing was set for this one alone')
  t.equal(dns.views.delete('10.1.0.0/16'), true)
  t.equal(dns.views.delete('10.1.0.0/16'), false)
  t.equal(await got(dns, '10.1.0.1', 'same'), '10.0.0.7', 'the wider subnet shows again')
  dns.views.set('10.1.0.0/16', { narrow: 'db' })
  t.equal(await got(dns, '10.1.0.1', 'narrow'), '10.0.0.7', 'and is hidden again')
  dns.views.set('10.0.0.0/32', { lone: 'db' })
  t.equal(await got(dns, '10.0.0.0', 'lone'), '10.0.0.7', '/32 is an address')
})

t.test('a client that is spelled as no view can be has none, and throws nothing', async (t) => {
  await using dns = await server()
  dns.views.set('0.0.0.0/0', { everybody: 'db' })
  dns.views.set('::/0', { everybody: 'db' })
  for (const client of ['', 'nonsense', '10.0.0', 'fe80::1%eth0', '::ffff:10.0.0.9', '::ffff:a00:9']) {
    t.equal(ask(dns, question('everybody'), { client }).verdict, 'local', client)
  }
})

t.test('what is set and taken in an update that fails, stays as it was', async (t) => {
  await using dns = await server()
  dns.views.set('10.0.0.0/8', { a: 'db' })
  t.throws(() =>
    dns.update((tx) => {
      tx.views.set('10.0.0.0/8', { a: 'queue' })
      tx.views.set('10.1.0.0/16', { a: 'queue' })
      tx.views.delete('10.0.0.0/8')
      throw new Error('on second thoughts')
    }),
  )
  t.equal(await got(dns, '10.1.0.1', 'a'), '10.0.0.7')
})

t.test('subnets and addresses as they are written', (t) => {
  const cases: [text: string, canonical: string][] = [
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.255.3/20', '10.1.240.0/20'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.1.2.3/32', '10.1.2.3'],
    ['FD00:0::1', 'fd00::1'],
    ['fd00:1:2:3::4/48', 'fd00:1:2::/48'],
    ['fd00::/7', 'fc00::/7'],
    ['::/0', '::/0'],
  ]
  for (const [text, canonical] of cases) t.equal(parseSubnet(text).text, canonical, text)
  for (const wrong of [
    '',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    'fd00::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    'x/8',
  ]) {
    t.throws(() => parseSubnet(wrong), { name: 'DnsError', code: 'INVALID_ADDRESS' }, wrong)
  }
  t.end()
})

t.test('a client in no view and no subnet of one is an unknown one', async (t) => {
  await using dns = await createDnsServer({ zones: ['dev.internal'], unknownClients: 'refuse' })
  dns.zone('dev.internal').set('db', ['10.0.0.7'])
  dns.views.set('10.0.0.0/24', {})
  t.equal(await got(dns, '10.0.0.200', 'db.dev.internal'), '10.0.0.7')
  t.equal(await got(dns, '10.0.1.200', 'db.dev.internal'), 'REFUSED')
})

t.test('a restricted view sees its aliases and what it was granted, and nothing else (F6)', async (t) => {
  await using dns = await server()
  const client = '10.0.0.99'
  dns.views.set(client, { postgres: 'db' }, { only: ['queue', 'deep.below', '_q._tcp', 'later'] })
  const cases: [name: string, type: string, got: string][] = [
    ['postgres', 'A', '10.0.0.7'],
    ['queue.dev.internal', 'A', '10.0.0.8'],
    ['QUEUE.dev.internal', 'A', '10.0.0.8'],
    ['db.dev.internal', 'A', 'NXDOMAIN'],
    ['secret.dev.internal', 'A', 'NXDOMAIN'],
    ['secret.dev.internal', 'ANY', 'NXDOMAIN'],
    ['www.dev.internal', 'A', 'NXDOMAIN'],
    ['nothing.dev.internal', 'A', 'NXDOMAIN'],
    ['later.dev.internal', 'A', 'NXDOMAIN'],
    ['below.dev.internal', 'A', 'NOERROR'],
    ['deep.below.dev.internal', 'A', '10.0.0.9'],
    ['dev.internal', 'A', 'NOERROR'],
    ['dev.internal', 'NS', 'dev.internal'],
    ['7.0.0.10.in-addr.arpa', 'PTR', 'NXDOMAIN'],
    ['10.0.0.10.in-addr.arpa', 'PTR', 'NXDOMAIN'],
    ['8.0.0.10.in-addr.arpa', 'PTR', 'queue.dev.internal'],
    ['1.0.0.127.in-addr.arpa', 'PTR', 'localhost'],
    ['localhost', 'A', '127.0.0.1'],
  ]
  for (const [name, type, want] of cases) t.equal(await got(dns, client, name, type), want, `${name} ${type}`)
  t.equal(
    ask(dns, question('www.example.com'), { client }).verdict,
    'forward',
    'the outside is as for everybody',
  )
  t.match(await dns.query('secret.dev.internal', 'A', { as: client }), { authoritative: true })
  const denied = ask(dns, question('secret.dev.internal'), { client }).answer as Buffer
  const missing = ask(dns, question('sacred.dev.internal'), { client }).answer as Buffer
  t.same(header(denied), header(missing), 'it cannot be told from a name that is not there')
  t.equal(await got(dns, '10.0.0.98', 'secret.dev.internal'), '10.0.0.10', 'others see it')

  const srv = ask(dns, question('_q._tcp.dev.internal', 'SRV'), { client }).answer as Buffer
  t.match(header(srv), { answers: 2, additionals: 1 }, 'no address of what it may not see')
  dns.zone('dev.internal').set('later', ['10.0.0.11'])
  t.equal(await got(dns, client, 'later.dev.internal'), '10.0.0.11', 'granted before it was there')
  dns.views.set(client, { postgres: 'db' }, { only: [] })
  t.equal(await got(dns, client, 'queue.dev.internal'), 'NXDOMAIN', 'grants follow the view')
  t.throws(() => dns.views.set(client, {}, { only: ['x.example.com.'] }), { code: 'NOT_IN_ZONE' })
  dns.views.set(client, {}, { only: ['@'] })
  t.equal(await got(dns, client, 'dev.internal'), '10.0.0.1')
  dns.views.set('10.0.0.0/24', {}, { only: [] })
  t.equal(await got(dns, '10.0.0.98', 'secret.dev.internal'), 'NXDOMAIN', 'a whole subnet')
})

t.test('a view may be kept from the outside', async (t) => {
  await using dns = await server()
  const client = '10.0.0.99'
  dns.views.set(client, { 'api.example.com': 'db' }, { outside: false })
  const refused = ask(dns, question('www.example.com', 'A', { rest: [opt()] }), { client }).answer as Buffer
  t.match(header(refused), { rcode: 5, aa: false })
  t.equal(refused.subarray(-6).toString('hex'), '000f00020012', 'Prohibited (8914)')
  t.equal(await got(dns, client, 'api.example.com'), '10.0.0.7')
  t.equal(await got(dns, client, 'secret.dev.internal'), '10.0.0.10')
  t.equal(ask(dns, question('www.example.com'), { client: '10.0.0.98' }).verdict, 'forward')
})
