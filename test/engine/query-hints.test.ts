import t from 'tap'
import { queryHints } from '../../src/engine/calls/query-hints.ts'

const records = [
  ['other.moorage.internal', '10.1.0.2', 'zone', 'default'],
  ['lone.moorage.internal', '10.2.0.2', 'zone', 'ci'],
  ['db', 'other.moorage.internal', '10.1.0.3', 'default'],
  ['cache', 'gone.moorage.internal', '10.1.0.3', 'default'],
  ['db', 'other.moorage.internal', 'fd00::3', 'default'],
  ['db', 'other.moorage.internal', '10.1.0.4', 'default'],
  ['queue', 'lone.moorage.internal', '10.2.0.3', 'ci'],
].map(([name = '', value = '', view = '', network = '']) => ({
  name,
  type: view === 'zone' ? ('A' as const) : ('CNAME' as const),
  value,
  view,
  network,
}))
const idOf = (address: string, network: string) => `${network}-${address.split('.').at(-1)}`
const client = { id: 'default-3', address: '10.1.0.3' }
const stranger = { id: 'default-9', address: '10.1.0.9' }

t.test('why a name was not found, and how to ask instead (E13)', (t) => {
  const cases: [name: string, client: typeof client | undefined, hints: string[]][] = [
    ['db', undefined, ['db is an alias of default-3, default-4: ask --as default-3']],
    ['DB.', undefined, ['db is an alias of default-3, default-4: ask --as default-3']],
    ['dbx', client, ['default-3 has: db, cache']],
    ['dbx', stranger, ['default-9 has no aliases']],
    [
      'db',
      stranger,
      ['db is an alias of default-3, default-4: ask --as default-3', 'default-9 has no aliases'],
    ],
    ['cache', client, ['cache stands for gone.moorage.internal, which is not running']],
    [
      'x.db',
      client,
      ['db is an alias of default-3: below it there is only what is bound', 'default-3 has: db, cache'],
    ],
    ['lone', undefined, ['that is in the network ci: ask --network ci']],
    ['lone.moorage.internal', undefined, ['that is in the network ci: ask --network ci']],
    ['queue', undefined, ['that is in the network ci: ask --network ci --as ci-3']],
    ['nobody', undefined, []],
  ]
  for (const [name, asker, hints] of cases) {
    t.same(queryHints({ name, network: 'default', client: asker }, records, idOf), hints, name)
  }
  t.match(queryHints({ name: 'other', network: 'default', client: stranger }, records, idOf), [
    'default-9 is not bound to other, and the network default is isolated by bindings',
    'default-9 has no aliases',
  ])
  t.end()
})

t.test('many aliases are counted (E13)', (t) => {
  const many = Array.from({ length: 25 }, (_, index) => ({
    name: `a${index}`,
    type: 'CNAME' as const,
    value: 'x',
    view: client.address,
    network: 'default',
  }))
  const [hint] = queryHints({ name: 'x', network: 'default', client }, many, idOf)
  t.equal(hint, 'default-3 has: a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 and 15 more')
  t.end()
})
