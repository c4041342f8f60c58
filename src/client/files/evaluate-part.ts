import type { PartOutput, ResultEvent } from '../../definition/index.ts'
import type { Node } from '../graph/graph.ts'
import { type CallContext, evaluate, type Session } from '../session/session.ts'
import { withDefinition } from '../session/with-definition.ts'

/** Takes a piece of what comes; more comes when it is done. */
export type Write = (piece: Buffer) => unknown

/** Asks something of a file or a directory; what it holds goes to `write`. */
export function partResult(
  session: Session,
  node: Node,
  output: PartOutput,
  context: CallContext,
  { write, limit }: { write?: Write; limit?: number } = {},
): Promise<ResultEvent> {
  const asked = { output, ...(limit === undefined ? {} : { limit }) }
  return withDefinition(session, node, context, (definition, signal) =>
    evaluate(session, { definition, ...asked }, context, signal, write),
  )
}

/** All of what a file or a directory holds. @param limit - of a file: the most that is taken, in bytes */
export async function bytesOf(
  session: Session,
  node: Node,
  output: PartOutput,
  context: CallContext,
  limit?: number,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  await partResult(session, node, output, context, {
    write: (piece) => pieces.push(piece),
    ...(limit === undefined ? {} : { limit }),
  })
  return Buffer.concat(pieces)
}
