import { spawnSync } from 'node:child_process'
import t from 'tap'
import { argumentProblem, longestArgument, sumProblem } from '../../src/definition/index.ts'

/** Whether the kernel takes a command with this environment. */
function runs(args: readonly string[], env: Record<string, string> = {}): boolean {
  return spawnSync('/bin/true', args, { env }).error === undefined
}

t.test('one argument or variable has the bound that the kernel has (C04, C04c)', async (t) => {
  for (const length of [longestArgument - 1, longestArgument]) {
    const argument = 'x'.repeat(length)
    t.equal(argumentProblem(argument) === undefined, runs([argument]), `${length} bytes`)
  }
  for (const length of [longestArgument - 3, longestArgument - 2]) {
    const value = 'x'.repeat(length)
    t.equal(argumentProblem(`A=${value}`) === undefined, runs([], { A: value }), `A= and ${length} bytes`)
  }
  t.match(argumentProblem('é'.repeat(70_000)), /140001 bytes.*131072/, 'bytes count, not characters')
  t.match(argumentProblem('a\0b'), /NUL/)
  t.match(argumentProblem('a\ud800'), /surrogate/)
  t.equal(argumentProblem('a😀'), undefined)
})

t.test('all of them together have the bound that the kernel has', async (t) => {
  const piece = 'x'.repeat(100_000)
  for (const count of [10, 30]) {
    const args = Array.from({ length: count }, () => piece)
    t.equal(sumProblem(args, []) === undefined, runs(args), `${count} times 100,000 bytes`)
  }
  const names = Array.from({ length: 30 }, (_, index): [string, string] => [`A${index}`, piece])
  t.match(sumProblem([], names), /ARG_MAX/)
  t.equal(sumProblem([], names, 16 * 2 ** 20), undefined, 'a greater stack takes more')
  t.match(sumProblem(Array(300_000).fill(''), []), /ARG_MAX/, 'pointers count')
})
