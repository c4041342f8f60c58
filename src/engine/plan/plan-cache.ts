import { isDeepStrictEqual } from 'node:util'
import type { Definition } from '../../definition/index.ts'
import type { Sources } from './plan.ts'

/** What a source was asked, and what it said. */
interface Asked {
  ask(sources: Sources): unknown
  readonly key: string
  readonly answer: unknown
}

interface Plan<Planned> {
  readonly planned: Planned
  readonly asked: readonly Asked[]
}

/** How definitions are planned: `planExec`, `planPart`. */
export type Planning<Planned> = (definition: Definition, sources: Sources) => Promise<Planned>

/**
 * Plans definitions, and remembers the plans of those that are asked about again: the same object, as the daemon gives
 * for the same bytes. The sources are asked each time, since a pin may have moved or a directory gone; where they say the
 * same, the plan is the same. Planning is most of the work of a cached answer.
 */
export function createPlanner<Planned>(plan: Planning<Planned>): Planning<Planned> {
  const plans = new WeakMap<Definition, Plan<Planned>>()

  return async (definition, sources) => {
    const known = plans.get(definition)
    const answers = new Map<string, unknown>()
    if (known !== undefined) {
      let same = true
      for (const { key, ask, answer } of known.asked) {
        const now = await ask(sources)
        answers.set(key, now)
        same &&= isDeepStrictEqual(now, answer)
      }
      if (same) return known.planned
    }
    const asked: Asked[] = []
    const planned = await plan(definition, recorded(sources, asked, answers))
    plans.set(definition, { planned, asked })
    return planned
  }
}

/** The sources, with what was asked of them noted down; what has been asked already is not asked again. */
function recorded(sources: Sources, asked: Asked[], answers: ReadonlyMap<string, unknown>): Sources {
  return {
    async image(ref, pull) {
      const key = `image ${pull ?? ''} ${ref}`
      const known = answers.get(key) as Awaited<ReturnType<Sources['image']>> | undefined
      const answer = known ?? (await sources.image(ref, pull))
      asked.push({ key, answer, ask: (of) => of.image(ref, pull) })
      return answer
    },
    tree(digest) {
      const answer = sources.tree(digest)
      asked.push({ key: `tree ${digest}`, answer, ask: (of) => of.tree(digest) })
      return answer
    },
  }
}
