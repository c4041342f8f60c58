/**
 * Many callers of one run, in a process of their own: connects, says `ready`, and at the first line on stdin calls. Says
 * `left` when those who leave have gone, and what came of it all as one line of JSON.
 *
 * Usage: callers-program.ts JSON-OF-CallersOptions
 */
import { once } from 'node:events'
import { connect, MoorageError } from '../../src/index.ts'
import { onceContainer } from './once.ts'

export interface CallersOptions {
  host: string
  root: string
  volume: string
  callers: number
  /** The last of them to go away, each after a time of its own, in milliseconds from the start. */
  leave: number[]
}

export interface CallersReport {
  /** Each answer that came, and how often. */
  answers: Record<string, number>
  cancelled: number
  /** Codes of whatever else came. */
  failures: string[]
}

const { host, root, volume, callers, leave }: CallersOptions = JSON.parse(process.argv[2] ?? '')
await using moorage = await connect({ host })
const container = onceContainer(moorage, root, volume)
// The directory is read and sent before the start.
await container.digest()
process.stdout.write('ready\n')
await once(process.stdin, 'data')

const report: CallersReport = { answers: {}, cancelled: 0, failures: [] }
let leaving = leave.length
const left = () => process.stdout.write('left\n')
if (leaving === 0) left()
await Promise.all(
  Array.from({ length: callers }, async (_, index) => {
    const time = leave[callers - 1 - index]
    const signal = time === undefined ? undefined : AbortSignal.timeout(time)
    try {
      const answer = await container.stdout(signal ? { signal } : {})
      report.answers[answer] = (report.answers[answer] ?? 0) + 1
    } catch (error) {
      const code = error instanceof MoorageError ? error.code : String(error)
      if (code === 'CANCELLED' && signal?.aborted) report.cancelled += 1
      else report.failures.push(code)
    }
    if (time !== undefined && --leaving === 0) left()
  }),
)
process.stdout.write(`${JSON.stringify(report)}\n`)
process.stdin.destroy()
