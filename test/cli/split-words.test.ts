import t from 'tap'
import { splitWords } from '../../src/cli/options/split-words.ts'

t.test('a command line is split as a POSIX shell splits it', async (t) => {
  const cases: [line: string, words: string[]][] = [
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
  for (const [line, words] of cases) t.same(splitWords('-x', line), words, line)
  t.throws(() => splitWords('-x', "a 'b"), {
    code: 'INVALID_OPTION',
    message: "-x: the quote ' is not closed",
  })
  t.throws(() => splitWords('-x', 'a\\'), { code: 'INVALID_OPTION' })
})
