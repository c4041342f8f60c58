import { isDeepStrictEqual } from 'node:util'
import type { Definition } from '../../definition/index.ts'
import type { Sources } from './plan.ts'

/** A question to the sources, and the answer. */
interface SourceQuery {
  readonly key: string
  readonly answer: unknown
  ask(sources: Sources): unknown
}

interface CachedPlan<Planned> {
  readonly planned: Planned
  readonly queries: readonly SourceQuery[]
}

/** Plans a definition: `planExec` or `planPart`. */
export type PlanDefinition<Planned> = (definition: Definition, sources: Sources) => Promise<Planned>

/**
 * Caches plans by the definition object, which the daemon keeps for the same bytes. The sources are asked each
 * time, since a pin may have moved or a directory may have gone; while their answers are the same, the plan is.
 * Planning is most of the work of a cached answer.
 */
export function cachePlans<Planned>(plan: PlanDefinition<Planned>): PlanDefinition<Planned> {
  const plans = new WeakMap<Definition, CachedPlan<Planned>>()

  return async (definition, sources) => {
    const cached = plans.get(definition)
    const answers = new Map<string, unknown>()
    if (cached !== undefined) {
      let same = true
      for (const { key, ask, answer } of cached.queries) {
        const now = await ask(sources)
        answers.set(key, now)
        same &&= isDeepStrictEqual(now, answer)
      }
      if (same) return cached.planned
    }
    const queries: SourceQuery[] = []
    const planned = await plan(definition, recordQueries(sources, queries, answers))
    plans.set(definition, { planned, queries })
    return planned
  }
}

/** Wraps the sources, and notes each query down. A query whose answer is in `answers` is not asked again. */
function recordQueries(
  sources: Sources,
  queries: SourceQuery[],
  answers: ReadonlyMap<string, unknown>,
): Sources {
  return {
    async image(ref, pull) {
      const key = `image ${pull ?? ''} ${ref}`
      const earlier = answers.get(key) as Awaited<ReturnType<Sources['image']>> | undefined
      const answer = earlier ?? (await sources.image(ref, pull))
      queries.push({ key, answer, ask: (newer) => newer.image(ref, pull) })
      return answer
    },
    tree(digest) {
      const answer = sources.tree(digest)
      queries.push({ key: `tree ${digest}`, answer, ask: (newer) => newer.tree(digest) })
      return answer
    },
  }
}
