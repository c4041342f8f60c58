import type { EngineContext } from '../context.ts'
import { acquireBindings } from './bindings.ts'
import { evaluateExec } from './evaluate-exec.ts'

/** Completes the context by the two functions through which evaluation recurses. */
export function withEvaluator(parts: Omit<EngineContext, 'evaluator'>): EngineContext {
  const context: EngineContext = {
    ...parts,
    evaluator: {
      evaluateExec: (request) => evaluateExec(context, request),
      acquireBindings: (request) => acquireBindings(context, request),
    },
  }
  return context
}
