import type { Definition } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Caller } from '../caller.ts'
import type { EngineContext } from '../context.ts'
import type { EventSubscription } from '../events/event-subscription.ts'
import { everyMaker } from '../plan/ancestors.ts'
import { imageIdsOf, vertexIdsOf } from '../plan/event-ids.ts'
import { planExec, planPart, type Sources } from '../plan/plan.ts'
import { cachePlans, type PlanDefinition } from '../plan/plan-cache.ts'
import type { PlannedExec, PlannedPart, PlannedVertex } from '../plan/planned.ts'

/** Plans definitions for callers. */
export interface CallerPlans {
  /** @throws MoorageError SERVICES_DNS_OFF for a binding where there are no networks; the errors of `planExec` */
  exec: CallerPlanning<PlannedExec>
  part: CallerPlanning<PlannedPart>
}

/** Makes the subscription watch all that the plan is about. */
type CallerPlanning<Planned> = (
  definition: Definition,
  caller: Caller,
  subscription?: EventSubscription,
) => Promise<Planned>

export function createCallerPlans(context: EngineContext): CallerPlans {
  const forCallers =
    <Planned extends PlannedVertex>(plan: PlanDefinition<Planned>): CallerPlanning<Planned> =>
    async (definition, caller, subscription) => {
      subscription?.watch(imageIdsOf(definition))
      await context.turns.take()
      const planned = await plan(definition, sourcesFor(context, caller))
      if (!context.networks.on && isBound(planned)) throw new MoorageError('SERVICES_DNS_OFF')
      subscription?.watch(vertexIdsOf(planned))
      return planned
    }
  return { exec: forCallers(cachePlans(planExec)), part: forCallers(cachePlans(planPart)) }
}

function sourcesFor(context: EngineContext, caller: Caller): Sources {
  return {
    image: (ref, pull) => context.images.resolve(ref, withoutUndefined({ signal: caller.signal, pull })),
    tree(digest) {
      if (!context.store.trees.has(digest)) throw new MoorageError('BLOB_MISSING', { digest })
      return context.store.trees.path(digest)
    },
  }
}

/** Tells whether the vertex, or anything that it is made of, is bound to a service. */
function isBound(vertex: PlannedVertex): boolean {
  return everyMaker(vertex).some(({ bindings }) => bindings.length > 0)
}
