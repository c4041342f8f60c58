import t from 'tap'
import { age, span, timeLeft } from '../../src/cli/printing/duration-text.ts'
import { table } from '../../src/cli/printing/table.ts'

t.test('an age is told in the largest unit that says enough', async (t) => {
  for (const [milliseconds, text] of [
    [-5, '0s'],
    [43_900, '43s'],
    [5 * 60_000, '5m'],
    [3 * 3_600_000, '3h'],
    [50 * 3_600_000, '2d'],
  ] as const) {
    t.equal(age(milliseconds), text)
  }
  t.equal(timeLeft(6_001, 0), '7s')
  t.equal(timeLeft(0, 5), '0s')
  t.equal(span(57.6), '58 ms')
  t.equal(span(1310), '1.3 s')
})

t.test(
  'a table has no borders, its columns are as wide as they must be, and styles do not shift them',
  async (t) => {
    const style = (_style: unknown, text: string) => `<${text}>`
    const plain = (_style: unknown, text: string) => text
    const rows = [
      ['redis', { text: 'ready', style: 'green' as const }, 'x'],
      ['a-long-name', 'grace', ''],
    ]
    t.same(table(['NAME', 'STATE', 'Z'], rows, { style: plain }), [
      'NAME         STATE  Z',
      'redis        ready  x',
      'a-long-name  grace  -',
    ])
    t.same(table(['NAME', 'STATE', 'Z'], rows, { style })[1], 'redis        <ready>  x')
  },
)

t.test('a row cannot move the cursor of who looks at it', async (t) => {
  const style = (_style: unknown, text: string) => text
  t.same(table(['A'], [['\x1b[2Jx\r\n\x9b1m']], { style })[1], '\\x1b[2Jx\\x0d\\n\\x9b1m')
})
