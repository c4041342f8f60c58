import type { Definition } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { Caller, EngineContext } from '../context.ts'
import type { Follower } from '../events/event-subscription.ts'
import { everyMaker } from '../plan/ancestors.ts'
import { idsOf, imagesOf } from '../plan/event-ids.ts'
import { planExec, planPart, type Sources } from '../plan/plan.ts'
import { cachePlans, type PlanDefinition } from '../plan/plan-cache.ts'
import type { PlannedExec, PlannedFile, PlannedFilesystem, PlannedVertex } from '../plan/planned.ts'

/** Plans definitions for callers. */
export interface Plans {
  /** @throws MoorageError SERVICES_DNS_OFF for a binding where there are no networks, and what planning throws */
  exec: CallerPlanning<PlannedExec>
  part: CallerPlanning<PlannedFilesystem | PlannedFile>
}

/** The follower watches all that the plan is about. */
type CallerPlanning<Planned> = (
  definition: Definition,
  caller: Caller,
  follower?: Follower,
) => Promise<Planned>

export function createPlans(context: EngineContext): Plans {
  const callers =
    <Planned extends PlannedVertex>(planning: PlanDefinition<Planned>): CallerPlanning<Planned> =>
    async (definition, caller, follower) => {
      follower?.watch(imagesOf(definition))
      await context.turns.take()
      const found = await planning(definition, sourcesFor(context, caller))
      if (!context.networks.on && isBound(found)) throw new MoorageError('SERVICES_DNS_OFF')
      follower?.watch(idsOf(found))
      return found
    }
  return { exec: callers(cachePlans(planExec)), part: callers(cachePlans(planPart)) }
}

function sourcesFor(context: EngineContext, caller: Caller): Sources {
  return {
    image: (ref, pull) =>
      context.images.resolve(ref, { signal: caller.signal, ...(pull === undefined ? {} : { pull }) }),
    tree(digest) {
      if (!context.store.trees.has(digest)) throw new MoorageError('BLOB_MISSING', { digest })
      return context.store.trees.path(digest)
    },
  }
}

/** Whether it, or anything that it is made of, is bound to a service. */
function isBound(part: PlannedVertex): boolean {
  return everyMaker(part).some(({ bindings }) => bindings.length > 0)
}
