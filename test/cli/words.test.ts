import t from 'tap'
import { moment } from '../../src/cli/options/since.ts'
import { words } from '../../src/cli/options/split-words.ts'
import { age, span } from '../../src/cli/printing/duration-text.ts'
import { table } from '../../src/cli/printing/table.ts'

t.test('a command line is split as a POSIX shell splits it', async (t) => {
  const cases: [line: string, found: string[]][] = [
    ['', []],
    ['  \t ', []],
    ['redis-server --save ""', ['redis-server', '--save', '']],
    [`sh -c 'echo "a  b"; exit 1'`, ['sh', '-c', 'echo "a  b"; exit 1']],
    ['a"b c"d', ['ab cd']],
    [`'it'\\''s'`, ["it's"]],
    ['a\\ b c', ['a b', 'c']],
    [String.raw`"\"\\\$\n"`, [String.raw`"\$\n`]],
    [String.raw`'\n'`, [String.raw`\n`]],
    ['$HOME *', ['$HOME', '*']],
  ]
  for (const [line, found] of cases) t.same(words('-x', line), found, line)
  t.throws(() => words('-x', "a 'b"), { code: 'INVALID_OPTION', message: "-x: the quote ' is not closed" })
  t.throws(() => words('-x', 'a\\'), { code: 'INVALID_OPTION' })
})

t.test('a moment is a duration before now, or a time', async (t) => {
  t.equal(moment('--since', '10s', 50_000), 40_000)
  t.equal(moment('--since', '2026-01-02T03:04:05Z', 0), Date.UTC(2026, 0, 2, 3, 4, 5))
  t.throws(() => moment('--since', '2026-13-77T99:00Z', 0), { code: 'INVALID_OPTION' })
  t.throws(() => moment('--since', 'yesterday', 0), { code: 'INVALID_OPTION' })
})

t.test('an age is told in the largest unit that says enough', async (t) => {
  for (const [milliseconds, told] of [
    [-5, '0s'],
    [43_900, '43s'],
    [5 * 60_000, '5m'],
    [3 * 3_600_000, '3h'],
    [50 * 3_600_000, '2d'],
  ] as const) {
    t.equal(age(milliseconds), told)
  }
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
