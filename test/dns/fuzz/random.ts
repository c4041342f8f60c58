/** Numbers below a bound, the same for the same seed, so that a failure can be repeated (xorshift32). */
export type Random = (below: number) => number

export function randomNumbers(seed: number): Random {
  let state = seed | 0 || 0x5eed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
