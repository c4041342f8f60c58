import { Packet } from 'dns2'
import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'
import { ask, header, opt, question, wire } from './wire.ts'

async function server() {
  return createDnsServer({ zones: ['dev.internal', 'other.internal'], reverse: ['10.0.0.0/16'], ttl: 3 })
}

t.test('each set of records has its own TTL, else the server’s (2181, 5.2)', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.set('db', ['10.0.0.7', 'fd00::7'], { ttl: 60 })
  zone.setText('db', ['text'])
  zone.setSrv('_pg._tcp', [{ target: 'db', port: 5432 }], { ttl: 0 })
  zone.setCname('www', 'db', { ttl: 2 ** 31 - 1 })
  const ttls = async (name: string, type: string) =>
    (await dns.query(`${name}.dev.internal`, type)).answers.map(({ ttl }) => ttl)
  t.same(await ttls('db', 'A'), [60])
  t.same(await ttls('db', 'AAAA'), [60])
  t.same(await ttls('db', 'TXT'), [3])
  t.same(await ttls('_pg._tcp', 'SRV'), [0])
  t.same(await ttls('www', 'A'), [2 ** 31 - 1, 60])
  dns.views.set('10.0.0.9', { postgres: 'db' })
  t.match(await dns.query('postgres', 'A', { as: '10.0.0.9' }), { answers: [{ ttl: 60 }] })
  zone.set('db', ['10.0.0.7'])
  t.same(await ttls('db', 'A'), [3], 'a TTL belongs to the call that set it')
  for (const ttl of [-1, 1.5, 2 ** 31, Number.NaN, '60' as unknown as number]) {
    t.throws(() => zone.set('db', ['10.0.0.8'], { ttl }), { code: 'INVALID_RECORD' }, String(ttl))
  }
  t.same(zone.get('db'), ['10.0.0.7'], 'and nothing was changed')
})

t.test('SRV: the target in full, its addresses beside it (2782)', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.set('db', ['10.0.0.7', 'fd00::7'])
  dns.zone('other.internal').set('spare', ['10.0.0.8'])
  zone.setSrv('_pg._tcp', [
    { target: 'db', port: 5432, priority: 1, weight: 2 },
    { target: 'spare.other.internal.', port: 5433 },
    { target: 'db.example.com.', port: 5434 },
    { target: 'db', port: 5432, priority: 1, weight: 2 },
  ])
  t.same(
    (await dns.query('_pg._tcp.dev.internal', 'SRV')).answers.map(({ data }) => data),
    ['1 2 5432 db.dev.internal', '0 0 5433 spare.other.internal', '0 0 5434 db.example.com'],
  )
  const { answer } = ask(dns, question('_PG._tcp.dev.internal', 'SRV', { rest: [opt()] }))
  t.ok((answer as Buffer).includes(wire('db.dev.internal')), 'no pointer in the target')
  const packet = Packet.parse(answer as Buffer)
  t.same(packet.errors, [])
  t.same(
    (packet.additionals as unknown as { name: string; address?: string }[]).map(
      ({ name, address }) => `${name} ${address}`,
    ),
    ['db.dev.internal 10.0.0.7', 'db.dev.internal fd00::7', 'spare.other.internal 10.0.0.8', ' undefined'],
  )
  zone.delete('db')
  t.equal(header(ask(dns, question('_pg._tcp.dev.internal', 'SRV')).answer as Buffer).additionals, 1)
  zone.setSrv('_pg._tcp', [{ target: '.', port: 0 }])
  t.match(await dns.query('_pg._tcp.dev.internal', 'SRV'), { answers: [{ data: '0 0 0 .' }] })
  zone.setSrv('_pg._tcp', [])
  t.match(await dns.query('_pg._tcp.dev.internal', 'SRV'), { status: 'NOERROR', answers: [] })
})

t.test(
  'addresses that do not fit beside SRV are left out, and that is not truncation (2181, 9)',
  async (t) => {
    await using dns = await server()
    const zone = dns.zone('dev.internal')
    const targets = Array.from({ length: 6 }, (_, index) => `h${index}`)
    for (const [index, target] of targets.entries()) {
      zone.set(
        target,
        Array.from({ length: 8 }, (_, host) => `10.0.${index}.${host}`),
      )
    }
    zone.setSrv(
      '_x._tcp',
      targets.map((target) => ({ target, port: 1 })),
    )
    const { answer } = ask(dns, question('_x._tcp.dev.internal', 'SRV'))
    const { tc, answers, additionals } = header(answer as Buffer)
    t.same({ tc, answers }, { tc: false, answers: 6 })
    t.equal(additionals % 8, 0, 'a set is there as a whole or not at all')
    t.ok((answer as Buffer).length <= 512)
    t.equal(
      header(ask(dns, question('_x._tcp.dev.internal', 'SRV'), { transport: 'tcp' }).answer as Buffer)
        .additionals,
      48,
    )
    t.same(Packet.parse(answer as Buffer).errors, [])
  },
)

t.test('SRV records that are wrong', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.setCname('www', 'db')
  const wrong: [name: string, service: { target: string; port: number; weight?: number }, code: string][] = [
    ['_x', { target: 'db', port: -1 }, 'INVALID_RECORD'],
    ['_x', { target: 'db', port: 65536 }, 'INVALID_RECORD'],
    ['_x', { target: 'db', port: 1, weight: 1.5 }, 'INVALID_RECORD'],
    ['_x', { target: 'a b', port: 1 }, 'INVALID_NAME'],
    ['_x', { target: '', port: 1 }, 'INVALID_NAME'],
    ['_x.example.com.', { target: 'db', port: 1 }, 'NOT_IN_ZONE'],
    ['www', { target: 'db', port: 1 }, 'CNAME_CONFLICT'],
  ]
  for (const [name, service, code] of wrong) {
    t.throws(() => zone.setSrv(name, [service]), { name: 'DnsError', code }, JSON.stringify(service))
  }
  t.throws(
    () =>
      zone.setSrv(
        '_x',
        Array.from({ length: 101 }, (_, port) => ({ target: 'db', port })),
      ),
    { code: 'INVALID_RECORD', message: /101 SRV records/ },
  )
  zone.setSrv('_y', [{ target: 'db', port: 1 }])
  t.throws(() => zone.setCname('_y', 'db'), { code: 'CNAME_CONFLICT' })
  t.throws(() => zone.set('_z', ['10.0.0.1'], { ttl: -1 }), { code: 'INVALID_RECORD' })
  t.same(
    [...zone.records()].map(({ name }) => name),
    ['www.dev.internal', '_y.dev.internal'],
  )
})

t.test('what a zone holds can be read as records', async (t) => {
  await using dns = await server()
  const zone = dns.zone('dev.internal')
  zone.set('db', ['10.0.0.7', 'fd00::7'], { ttl: 5 })
  zone.setText('db', ['one', 'two "words"'])
  zone.setSrv('_pg._tcp', [{ target: 'db', port: 5432 }])
  zone.setCname('www', 'db')
  t.same(
    [...zone.records()].map(({ name, type, ttl, data }) => `${name} ${ttl} ${type} ${data}`),
    [
      'db.dev.internal 5 A 10.0.0.7',
      'db.dev.internal 5 AAAA fd00::7',
      'db.dev.internal 3 TXT "one" "two \\"words\\""',
      '_pg._tcp.dev.internal 3 SRV 0 0 5432 db.dev.internal',
      'www.dev.internal 3 CNAME db.dev.internal',
    ],
  )
})

t.test('changes are told as they are made, those of an update together', async (t) => {
  await using dns = await server()
  const told: string[] = []
  const listener = (changes: readonly { kind: string }[]) => void told.push(JSON.stringify(changes))
  dns.on('change', listener)
  const zone = dns.zone('dev.internal')
  zone.set('DB', ['10.0.0.7'])
  dns.views.set('10.0.0.9/16', {})
  dns.update((tx) => {
    tx.zone('dev.internal').delete('db')
    tx.views.delete('10.0.0.0/16')
    tx.zone('dev.internal').setText('@', ['x'])
  })
  dns.update(() => undefined)
  t.throws(() =>
    dns.update((tx) => {
      tx.zone('dev.internal').set('db', ['10.0.0.1'])
      throw new Error('on second thoughts')
    }),
  )
  zone.delete('db')
  t.throws(() => zone.set('db', ['nonsense']))
  const name = (name: string, deleted: boolean) => ({ kind: 'zone', zone: 'dev.internal', name, deleted })
  const view = (deleted: boolean) => ({ kind: 'view', client: '10.0.0.0/16', deleted })
  t.same(
    told.map((text) => JSON.parse(text)),
    [[name('db', false)], [view(false)], [name('db', true), view(true), name('@', false)]],
  )
  t.match(dns.counters, { changes: 5 })
  dns.off('change', listener)
  dns.on('change', () => {
    throw new Error('a fault of the listener')
  })
  const errors: Error[] = []
  dns.on('error', (error) => void errors.push(error))
  zone.set('db', ['10.0.0.1'])
  t.same(zone.get('db'), ['10.0.0.1'])
  t.match(errors, [{ message: 'a fault of the listener' }])
})

t.test('ready until it closes', async (t) => {
  const dns = await server()
  t.equal(dns.ready, true)
  const closing = dns.close()
  t.equal(dns.ready, false)
  await closing
})
