import t from 'tap'
import {
  aliasProblem,
  type Duration,
  labelProblem,
  milliseconds,
  volumeNameProblem,
} from '../../src/definition/index.ts'

t.test('an alias is any host name, one of the real world too', async (t) => {
  const label63 = 'a'.repeat(63)
  const good = ['db', 'redis-srv', 'my_db', '_sip._tcp.example', 'api.example.com', 'DB', 'a', '9lives', 'x1']
  for (const alias of [
    ...good,
    'redis.1',
    '0xdb.com',
    label63,
    `${label63}.${label63}.${label63}.${'a'.repeat(61)}`,
  ])
    t.equal(aliasProblem(alias), undefined, alias)
})

t.test(
  'an alias that no resolver would ask for, or that belongs to somebody else, is refused with the reason',
  async (t) => {
    const bad: [string, RegExp][] = [
      ['', /1 to 253/],
      [`${'a.'.repeat(126)}aa`, /1 to 253/],
      ['a'.repeat(64), /63 at most/],
      ['a..b', /between dots/],
      ['.a', /between dots/],
      ['a.', /dot at its end/],
      ['-a', /no "-" at its ends/],
      ['a-', /no "-" at its ends/],
      ['a b', /letters/],
      ['a/b', /letters/],
      ['bücher', /letters/],
      ['a\n127.0.0.1 evil', /letters/],
      ['localhost', /itself/],
      ['LOCALHOST', /itself/],
      ['foo.localhost', /itself/],
      ['moorage.internal', /belong to the services/],
      ['h1u8.Moorage.Internal', /belong to the services/],
      ['10.0.0.1', /address/],
      ['9', /address/],
      ['0x7f000001', /address/],
      ['0x7f.1', /address/],
    ]
    for (const [alias, reason] of bad) t.match(aliasProblem(alias), reason, JSON.stringify(alias))
  },
)

t.test('a name that only looks like the zone’s is free', async (t) => {
  for (const alias of ['notmoorage.internal', 'moorage.internal.example', 'internal', 'mylocalhost'])
    t.equal(aliasProblem(alias), undefined, alias)
})

t.test('a custom hostname is one label', async (t) => {
  for (const label of ['db', 'web-1', '1', 'a'.repeat(63)]) t.equal(labelProblem(label), undefined, label)
  for (const label of ['', 'a.b', 'A', 'a_b', '-a', 'a-', 'a'.repeat(64), 'ü'])
    t.match(labelProblem(label), /one label/, JSON.stringify(label))
})

t.test('a volume’s name is no path', async (t) => {
  for (const name of ['data', 'redis-data', 'a.b_c', '7', 'x'.repeat(128)])
    t.equal(volumeNameProblem(name), undefined, name)
  for (const name of ['', '.', '..', '../x', 'a/b', 'a b', '-a', 'a\0', 'x'.repeat(129)])
    t.ok(volumeNameProblem(name), JSON.stringify(name))
})

t.test('a duration is a number of milliseconds, or a number with its unit', async (t) => {
  const good: [Duration, number][] = [
    [0, 0],
    [250, 250],
    [0.5, 0.5],
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    [' 10 s ', 10_000],
    ['0', 0],
  ]
  for (const [duration, ms] of good) t.equal(milliseconds(duration, 'grace'), ms, String(duration))
  const bad: Duration[] = [
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '',
    's',
    '-1s',
    '1d',
    '1e3s',
    '10 sec',
    '1s1s',
    '∞',
  ]
  for (const duration of bad) {
    t.throws(
      () => milliseconds(duration, 'grace'),
      { code: 'INVALID_OPTION', details: { option: 'grace' } },
      String(duration),
    )
  }
})
