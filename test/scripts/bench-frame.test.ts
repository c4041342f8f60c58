import t from 'tap'
import { type Contender, median, quantile, takeTurns } from '../bench/frame.ts'

t.test('quantiles interpolate', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(quantile([10, 20], 0.1), 11)
  t.equal(quantile([7], 0.9), 7)
})

t.test('contenders take turns, each first in every other round, and warm-up does not count', async (t) => {
  const seen: string[] = []
  const contender = (name: string): Contender => ({
    name,
    async run(turn) {
      seen.push(`${name} ${turn}`)
      return { pair: turn }
    },
    async tidy(turn) {
      seen.push(`${name} tidies ${turn}`)
    },
  })
  const samples = await takeTurns([contender('ours'), contender('peer')], { rounds: 2, warmup: 1, idle: 0 })
  t.same(
    seen.filter((words) => !words.includes('tidies')),
    ['ours 0', 'peer 0', 'peer 1', 'ours 1', 'ours 2', 'peer 2'],
  )
  t.equal(seen.filter((words) => words.includes('tidies')).length, 6)
  t.same(samples, [{ pair: [1, 2] }, { pair: [1, 2] }])
})

t.test('a turn that fails is tidied up after, and ends the benchmark', async (t) => {
  let tidied = 0
  const failing: Contender = {
    name: 'failing',
    run: () => Promise.reject(new Error('no PONG')),
    async tidy() {
      tidied += 1
    },
  }
  await t.rejects(takeTurns([failing, failing], { rounds: 1, warmup: 0, idle: 0 }), { message: 'no PONG' })
  t.equal(tidied, 1)
})
