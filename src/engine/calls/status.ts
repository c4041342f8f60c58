import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { inOrder } from '../events/event-history.ts'
import { defaultNetwork } from '../networks/networks.ts'
import { explainDifference } from '../rows/explain.ts'
import { isLive } from '../rows/service-row.ts'
import type { CallParts } from './call-parts.ts'

/** The calls that say what goes on and what has been. */
export function looking(
  { records, flights, events }: EngineContext,
  { finder }: CallParts,
): Pick<Engine, 'services' | 'service' | 'runs' | 'history' | 'explain' | 'busy'> {
  return {
    services: finder.rows,
    service: finder.service,
    runs: () => records.list().flatMap(({ kind, row }) => (kind === 'exec' ? [row] : [])),
    history(id, network = defaultNetwork) {
      const stories = events.stories.of(finder.known(id, network).label, network)
      return inOrder(stories.flatMap(({ states, holders }) => [...states, ...holders]))
    },
    explain(a, b, network = defaultNetwork) {
      const [one, other] = [finder.known(a, network), finder.known(b, network)]
      return {
        a: one.label,
        b: other.label,
        differences: explainDifference(one.exec, other.exec),
      }
    },
    busy: () => finder.rows().filter(isLive).length + flights.size,
  }
}
