import type { CheckRun } from './check-run.ts'

/** Says what to do about checks that have not passed: for each kind what fits it, and fits what it saw. */
export function adviceOn(missing: readonly Pick<CheckRun, 'check' | 'answer'>[]): string {
  const advice = new Set(missing.map(adviceOnOne))
  return [...advice, 'startTimeout gives it longer'].join('; ')
}

function adviceOnOne({ check, answer = '' }: Pick<CheckRun, 'check' | 'answer'>): string {
  switch (check.kind) {
    case 'log':
      return 'moorage logs shows its lines; the pattern must match one of them, colours included'
    case 'exec':
      return 'moorage exec runs the command of the check by hand; it counts by its exit code'
    case 'http':
      if (answer.startsWith('answered')) return 'the path must answer with a status that the check accepts'
      return adviceOnPort(answer)
    default:
      return adviceOnPort(answer)
  }
}

function adviceOnPort(answer: string): string {
  if (answer.includes(' only')) return 'let it listen on 0.0.0.0'
  if (answer.includes(' instead'))
    return 'expose the port that it listens on, or let it listen on the exposed one'
  if (answer.startsWith('no HTTP answer')) return 'see whether it speaks HTTP on that port'
  return 'check that it listens on 0.0.0.0 and on that port'
}
