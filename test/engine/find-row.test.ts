import t from 'tap'
import { findRow } from '../../src/engine/rows/find-row.ts'

interface Row {
  id: string
  label: string
  network: string
  names: string[]
  live: boolean
}

const row = (label: string, network = 'default', fields: Partial<Row> = {}): Row => ({
  id: label.slice(0, 12),
  label,
  network,
  names: [],
  live: true,
  ...fields,
})

const find = (rows: Row[], id: string, network?: string) =>
  findRow(rows, id, {
    isLive: ({ live }) => live,
    namesOf: ({ names }) => names,
    network,
    home: 'default',
  })

const here = row('aaaaaaaaaaaaaaaa', 'default', { names: ['db', 'api'] })
const there = row('abbbbbbbbbbbbbbb', 'x', { names: ['db', 'web'] })

t.test('a whole or a unique ID is found wherever it is (B6)', async (t) => {
  const rows = [here, there]
  for (const id of ['abbbbbbbbbbbbbbb', 'abbbbbbbbbbb', 'ab', 'web']) t.equal(find(rows, id), there, id)
  for (const id of ['aaaaaaaaaaaaaaaa', 'aa', 'api']) t.equal(find(rows, id), here, id)
})

t.test(
  'names and prefixes of the home network come first, and a network that is named is alone',
  async (t) => {
    t.equal(find([there, here], 'db'), here)
    t.equal(find([there, here], 'a'), here, 'a prefix that is unique at home')
    t.equal(find([there, here], 'db', 'x'), there)
    t.throws(() => find([there, here], 'api', 'x'), { code: 'SERVICE_NOT_FOUND' })
    t.throws(() => find([there, here], here.id, 'x'), { code: 'SERVICE_NOT_FOUND' })
    t.throws(() => find([here, there], ''), { code: 'SERVICE_NOT_FOUND' })
    t.throws(() => find([here, there], 'nobody'), { code: 'SERVICE_NOT_FOUND' })
  },
)

t.test('one definition in two networks: the one that lives, else the one at home', async (t) => {
  const [home, away] = [row('cccc'), row('cccc', 'x')]
  t.equal(find([away, home], 'cccc'), home)
  const ended = { ...home, live: false }
  t.equal(find([ended, away], 'cccc'), away)
  t.equal(find([{ ...away, live: false }, ended], 'cccc'), ended)
})

t.test('of several that ended, the first; several that live are told with their networks', async (t) => {
  const named = (label: string, live: boolean, network = 'default') =>
    row(label, network, { names: ['db'], live })
  t.equal(find([named('dddd', false), named('eeee', false)], 'db').label, 'dddd')
  t.equal(find([named('dddd', false), named('eeee', true)], 'db').label, 'eeee')
  t.throws(() => find([named('dddd', true), named('eeee', true)], 'db'), {
    code: 'SERVICE_AMBIGUOUS',
    details: { candidates: ['dddd (network default)', 'eeee (network default)'] },
  })
  t.throws(() => find([named('dddd', true, 'x'), named('eeee', true, 'y')], 'db'), {
    code: 'SERVICE_AMBIGUOUS',
    details: { candidates: ['dddd (network x)', 'eeee (network y)'] },
  })
})
