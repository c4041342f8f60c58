import type { PartOutput, ResultEvent } from '../definition/index.ts'
import { withDefinition } from './delivery.ts'
import type { Node } from './graph.ts'
import { type CallContext, evaluate, type Session } from './session.ts'

/** Takes a piece of what comes; more comes when it is done. */
export type Write = (piece: Buffer) => unknown

/** Asks something of a file or a directory; what it holds goes to `write`. */
export function partResult(
  session: Session,
  node: Node,
  output: PartOutput,
  context: CallContext,
  write: Write = () => undefined,
): Promise<ResultEvent> {
  return withDefinition(session, node, context, (definition, signal) =>
    evaluate(session, { definition, output }, context, signal, write),
  )
}

/** All of what a file or a directory holds. @param check - told how much there is so far */
export async function bytesOf(
  session: Session,
  node: Node,
  output: PartOutput,
  context: CallContext,
  check: (length: number) => void = () => undefined,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  await partResult(session, node, output, context, (piece) => {
    length += piece.length
    check(length)
    pieces.push(piece)
  })
  return Buffer.concat(pieces, length)
}
