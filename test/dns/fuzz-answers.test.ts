import t from 'tap'
import { answersQuestion } from '../../dns/upstream/exchange.ts'
import { decodeAnswer } from '../../dns/wire/decode-answer.ts'
import { decodeQuery, newQuery } from '../../dns/wire/decode-query.ts'
import { createStopwatch, memoryHeld } from './fuzz/bounds.ts'
import { mutate } from './fuzz/mutate.ts'
import { randomNumbers } from './fuzz/random.ts'
import { rounds } from './fuzz/rounds.ts'
import { readSeeds } from './fuzz/seeds.ts'

const { seed, count } = rounds(t, 2_100_000)

t.test(
  `${count} mutated answers are checked and decoded (seed ${seed})`,
  { timeout: 1_800_000 },
  async (t) => {
    const queries = readSeeds('queries').filter((query) => query.length > 17)
    const seeds = readSeeds('answers')
    const random = randomNumbers(seed + 1)
    const stopwatch = createStopwatch()
    const query = newQuery()
    const problems: string[] = []
    const seen = { taken: 0, decoded: 0, refused: 0 }
    let held = 0
    for (let index = 0; index < count && problems.length <= 5; index++) {
      const answer = mutate(seeds, random)
      const problem = (what: string) => problems.push(`${what}: ${answer.toString('hex')}`)
      // Half of the answers are paired with the question that they answer.
      const message =
        random(2) === 0 ? asking(answer) : Buffer.from(queries[random(queries.length)] as Buffer)
      if (decodeQuery(message, message.length, query) === 0) {
        const { questionEnd } = query
        stopwatch.time(answer, () => {
          if (!answersQuestion(answer, { message, questionEnd })) return
          seen.taken++
          const same = answer.readUInt16BE(0) === message.readUInt16BE(0) && (answer[2] as number) >= 0x80
          const asked = answer.toString('latin1', 12, questionEnd).toLowerCase()
          const empty = answer.length === 12
          if (!same || (!empty && asked !== message.toString('latin1', 12, questionEnd).toLowerCase())) {
            problem('taken for an answer')
          }
        })
      }
      if (index === Math.floor(count / 5)) held = memoryHeld()
      stopwatch.time(answer, () => {
        try {
          decodeAnswer(answer, 'x', 'A')
          seen.decoded++
        } catch (error) {
          if ((error as { code?: string }).code !== 'INVALID_ANSWER')
            problem(`decodeAnswer: ${(error as Error).stack}`)
          seen.refused++
        }
      })
    }
    const growth = memoryHeld() - held
    t.same(problems, [])
    t.same(stopwatch.slow, [], 'none takes long')
    t.ok(growth < 4 * 1024 * 1024, `memory is flat: ${Math.round(growth / 1024)} KiB`)
    for (const [what, times] of Object.entries(seen)) t.ok(times > count / 50, `${what}: ${times}`)
  },
)

/** The query that this message would answer. */
function asking(answer: Buffer): Buffer {
  if (answer.length < 17) return Buffer.alloc(0)
  let end = 12
  while (end < answer.length && (answer[end] as number) !== 0) end += (answer[end] as number) + 1
  const query = Buffer.from(answer.subarray(0, Math.min(end + 5, answer.length)))
  query.writeUInt16BE(0x0100, 2)
  query.fill(0, 6, 12)
  query.writeUInt16BE(1, 4)
  return query
}
