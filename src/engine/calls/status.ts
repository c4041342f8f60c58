import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { inOrder } from '../events/subject-history.ts'
import { explainDifference } from '../rows/explain.ts'
import { isLive } from '../rows/service-row.ts'
import type { CallParts } from './call-parts.ts'
import { problemsOf } from './problems.ts'

/** Makes the calls that show services and runs, their history, their differences, and what is wrong. */
export function createStatusCalls(
  { records, flights, events, networks, store }: EngineContext,
  { finder }: CallParts,
): Pick<Engine, 'services' | 'service' | 'runs' | 'history' | 'explain' | 'busy' | 'problems'> {
  return {
    services: finder.rows,
    service: finder.service,
    runs: () => records.list().flatMap(({ kind, row }) => (kind === 'exec' ? [row] : [])),
    history(id, inNetwork) {
      const { exec, network } = finder.exec(id, inNetwork)
      const subjects = events.history.of(exec.label, network)
      return inOrder(subjects.flatMap(({ states, holders }) => [...states, ...holders]))
    },
    explain(a, b, network) {
      const [{ exec: execA }, { exec: execB }] = [finder.exec(a, network), finder.exec(b, network)]
      return { a: execA.label, b: execB.label, differences: explainDifference(execA, execB) }
    },
    busy: () => finder.rows().filter(isLive).length + flights.size,
    problems: () => problemsOf(networks, store),
  }
}
