import type { EvaluateRequest, ResultEvent } from '../../definition/index.ts'
import type { Node } from '../graph/graph.ts'
import { apiPath } from '../wire/api-path.ts'
import { resultOf, type Write } from './result.ts'
import type { CallContext, Session } from './session.ts'
import { withDefinition } from './with-definition.ts'

/** Has the daemon make one output of a node, and returns its result; `write` takes the content of a file or a directory. */
export function evaluate(
  session: Session,
  node: Node,
  request: Omit<EvaluateRequest, 'definition' | 'network'>,
  context: CallContext,
  write?: Write,
): Promise<ResultEvent> {
  const { transport, network, id } = session
  const ask = write === undefined ? transport.stream : transport.output
  return withDefinition(session, node, context, (definition, signal) => {
    const body: EvaluateRequest = { ...request, definition, network }
    const options = { signal, headers: { 'moorage-session': id } }
    return resultOf(session, ask('POST', apiPath('evaluate'), body, options), context, write)
  })
}
