import { parseArgs } from 'node:util'

/**
 * The frame of the benchmarks: ours and a named peer take turns in one run on one machine, and what is reported is
 * the ratio of their medians, with the spread of each.
 */

/** One of those that are measured: one turn gives one number for each metric; its tidying is not measured. */
export interface Contender {
  readonly name: string
  run(turn: number): Promise<Record<string, number>>
  tidy?(turn: number): Promise<void>
}

/** A metric's numbers, one for each turn. */
export type Samples = Record<string, number[]>

export interface Turns {
  rounds: number
  /** Rounds before those that count. */
  warmup: number
  /** Milliseconds of rest before each turn. */
  idle: number
}

export interface Row {
  metric: string
  unit: string
  ours: number
  peer: number
  peerName: string
  /** Above 1: ours is better. */
  ratio: number
  /** What the ratio is to be at least. */
  target?: number
}

/** The samples of each contender, in their order. */
export type SamplesOf<Contenders extends readonly Contender[]> = { [Which in keyof Contenders]: Samples }

/** Lets contenders take turns, another one first in each round. Turns are numbered through from `firstTurn`. */
export async function takeTurns<const Contenders extends readonly Contender[]>(
  contenders: Contenders,
  { rounds, warmup, idle }: Turns,
  firstTurn = 0,
): Promise<SamplesOf<Contenders>> {
  const samples = contenders.map((): Samples => ({}))
  for (let round = -warmup; round < rounds; round++) {
    for (const place of contenders.keys()) {
      const which = (place + round + warmup) % contenders.length
      const contender = contenders[which] as Contender
      const turn = firstTurn + warmup + round
      if (idle > 0) await rest(idle)
      // Ends by an error, so that everything that was started for the benchmark is stopped on the way out.
      if (interrupted) throw new Error('interrupted')
      try {
        const result = await contender.run(turn)
        if (round < 0) continue
        for (const [metric, value] of Object.entries(result)) {
          const of = samples[which] as Samples
          of[metric] ??= []
          of[metric].push(value)
        }
      } finally {
        await contender.tidy?.(turn)
      }
    }
  }
  return samples as SamplesOf<Contenders>
}

let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true
  })
}

export function rest(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** The value below which this share of the samples lies, by linear interpolation. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const place = share * (sorted.length - 1)
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5)

/** Prints a table of one situation (say, `back to back`), and returns its rows: times, so less is better. */
export function report(
  situation: string,
  [ours, peer]: readonly [Contender, Contender],
  [oursSamples, peerSamples]: readonly [Samples, Samples],
): Row[] {
  const rows: Row[] = []
  console.log(
    `\n${situation}${' '.repeat(Math.max(1, 34 - situation.length))}median     min     p10     p90     max  ms`,
  )
  for (const [metric, values] of Object.entries(oursSamples)) {
    const others = peerSamples[metric] ?? []
    const row: Row = {
      metric: `${metric}, ${situation}`,
      unit: 'ms',
      ours: rounded(median(values)),
      peer: rounded(median(others)),
      peerName: peer.name,
      ratio: rounded(median(others) / median(values)),
    }
    rows.push(row)
    console.log(spread(`${metric}: ${ours.name}`, values))
    console.log(
      `${spread(`${metric}: ${peer.name}`, others)}   ${row.ratio} times ours (${values.length} rounds)`,
    )
  }
  return rows
}

function spread(name: string, samples: readonly number[]): string {
  const columns = [0.5, 0, 0.1, 0.9, 1].map((share) => quantile(samples, share).toFixed(1).padStart(8))
  return `  ${name.padEnd(30)}${columns.join('')}`
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

/** `--json`: the last line is one JSON document. */
export function finish(name: string, rows: readonly Row[]): void {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } }, strict: false })
  if (values.json) console.log(JSON.stringify({ name, rows }))
}
