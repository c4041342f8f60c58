import type { DnsServer } from '../../dns/index.ts'

/** The zones that the tests of conformance ask about, in our server and, as zone files, in others. */
export const corpusZones = ['dev.internal', 'far.down.dev.internal']
export const corpusReverse = ['10.0.0.0/16', 'fd00::/64']
export const manyAddresses = Array.from({ length: 100 }, (_, index) => `10.0.9.${index}`)

export function fillCorpus(dns: DnsServer): void {
  dns.update((tx) => {
    const zone = tx.zone('dev.internal')
    zone.set('db', ['10.0.0.7', 'fd00::7'])
    zone.set('four', ['10.0.0.4', '10.0.0.5'], { ttl: 60 })
    zone.set('six', ['fd00::6'])
    zone.set('deep.below', ['10.0.1.1'])
    zone.set('many', manyAddresses)
    zone.setText('db', ['one', 'two words'])
    zone.setText('text', ['x'.repeat(255)], { ttl: 2 ** 31 - 1 })
    zone.setCname('www', 'db', { ttl: 30 })
    zone.setCname('www2', 'www')
    zone.setCname('away', 'www.example.com.')
    zone.setCname('lost', 'gone')
    zone.setSrv('_pg._tcp', [
      { target: 'db', port: 5432, priority: 1, weight: 2 },
      { target: 'six', port: 5432 },
      { target: 'pg.example.com.', port: 5432 },
    ])
    zone.setSrv('_none._tcp', [{ target: '.', port: 0 }])
    const far = tx.zone('far.down.dev.internal')
    far.set('x', ['10.0.2.1'])
    far.set('@', ['10.0.2.2'])
  })
}

/** Names of each kind, and the types that each is asked for. */
export const corpusNames = [
  'db.dev.internal',
  'DB.Dev.inTERNAL',
  'four.dev.internal',
  'six.dev.internal',
  'text.dev.internal',
  'many.dev.internal',
  'deep.below.dev.internal',
  'below.dev.internal',
  'x.db.dev.internal',
  'nobody.dev.internal',
  'a.b.c.nobody.dev.internal',
  'www.dev.internal',
  'www2.dev.internal',
  'away.dev.internal',
  'lost.dev.internal',
  '_pg._tcp.dev.internal',
  '_none._tcp.dev.internal',
  '_tcp.dev.internal',
  'dev.internal',
  'down.dev.internal',
  'far.down.dev.internal',
  'x.far.down.dev.internal',
  'y.far.down.dev.internal',
  '7.0.0.10.in-addr.arpa',
  '9.0.0.10.in-addr.arpa',
  '0.0.10.in-addr.arpa',
  '0.10.in-addr.arpa',
  `7.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`,
  `9.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`,
]
export const corpusTypes = [
  ...['A', 'AAAA', 'TXT', 'CNAME', 'SRV', 'MX', 'NS', 'SOA', 'PTR', 'HTTPS', 'SVCB', 'CAA', 'DS', 'NAPTR'],
  65280,
]
