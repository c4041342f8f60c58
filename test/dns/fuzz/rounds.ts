import type { TAP } from 'tap'

/** The number of inputs and the seed of a run: the same in every run of the suite. */
export interface Rounds {
  readonly seed: number
  readonly count: number
}

/**
 * With MOORAGE_LONG there are more, and different ones each time. A run prints its seed and count, and is repeated with
 * MOORAGE_FUZZ_SEED and MOORAGE_FUZZ_COUNT.
 */
export function rounds(t: TAP, most: number): Rounds {
  const long = process.env.MOORAGE_LONG === '1'
  const seed = Number(process.env.MOORAGE_FUZZ_SEED ?? (long ? Date.now() % 2 ** 31 : 0x5eed))
  const count = Number(process.env.MOORAGE_FUZZ_COUNT ?? (long ? most : 100_000))
  t.comment(`MOORAGE_FUZZ_SEED=${seed} MOORAGE_FUZZ_COUNT=${count}`)
  t.setTimeout(295_000)
  return { seed, count }
}
