/**
 * Writes a random log, the same for the same seed, in a process of its own: tests read it meanwhile.
 *
 * Usage: node random-writer.ts DIRECTORY SEED
 */
import { openLogWriter } from '../../src/logs/index.ts'
import { random } from './random.ts'

export interface Written {
  stream: 'stdout' | 'stderr'
  data: Buffer
  /** A number that serves as the piece's time. */
  time: number
}

export interface Plan {
  limit: number
  pieces: number
  /** The most bytes of a piece. */
  longest: number
  /** One of so many pieces is followed by a pause. */
  pause: number
}

export function planOf(seed: number): Plan {
  const next = random(seed)
  const longest = [16, 500, 20_000, 200_000][next(4)] as number
  return {
    limit: 1024 * 1024 * (1 + next(6)),
    // Some logs do not reach the limit, most go far beyond it.
    pieces: Math.min(20_000, Math.ceil((1 + next(12_000_000)) / (longest / 2))),
    longest,
    pause: 1 + next(400),
  }
}

/** The pieces of the log, in order. */
export function* pieces(seed: number): Generator<Written> {
  const plan = planOf(seed)
  const next = random(seed + 1)
  for (let i = 0; i < plan.pieces; i += 1) {
    const data = Buffer.alloc(1 + next(plan.longest), `${i} `)
    yield { stream: next(3) === 0 ? 'stderr' : 'stdout', data, time: i }
  }
}

if (import.meta.main) {
  const [directory = '', text] = process.argv.slice(2)
  const seed = Number(text)
  const { limit, pause } = planOf(seed)
  const next = random(seed + 2)
  const writer = openLogWriter(directory, { limit })
  for (const { stream, data, time } of pieces(seed)) {
    writer.append(stream, data, time)
    if (next(pause) === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  writer.end()
}
