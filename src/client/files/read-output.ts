import type { PartOutput } from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Node } from '../graph/graph.ts'
import { evaluate } from '../session/evaluate.ts'
import type { CallContext, Session } from '../session/session.ts'

/**
 * Reads a whole output of a file or a directory into memory.
 *
 * @param limit - of a file's contents: the most bytes that are accepted
 * @throws MoorageError FILE_TOO_LARGE
 */
export async function bytesOf(
  session: Session,
  node: Node,
  output: PartOutput,
  context: CallContext,
  limit?: number,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  const request = withoutUndefined({ output, limit })
  await evaluate(session, node, request, context, (piece) => pieces.push(piece))
  return Buffer.concat(pieces)
}
