import type { Definition } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { untilCancelled } from '../cancellation.ts'
import { definitionOf, type Node, nodesOf } from '../graph/graph.ts'
import { HostDirectory } from '../graph/host-directory.ts'
import { type CallContext, type Session, signalOf } from './session.ts'
import { uploadDirectories } from './upload-directories.ts'

/**
 * Makes a call about a graph: reads the host directories in it, uploads those that the daemon lacks, and hands the
 * definition to `call`.
 *
 * @throws MoorageError DIRECTORY_UNREADABLE, BLOB_MISMATCH, and what `call` throws
 */
export async function withDefinition<T>(
  session: Session,
  root: Node,
  context: CallContext,
  call: (definition: Definition, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = signalOf(session, context)
  const directories = nodesOf(root).filter((node) => node instanceof HostDirectory)
  const prepare = async () => {
    await untilCancelled(Promise.all(directories.map((directory) => directory.digest())), signal)
    await uploadDirectories(session, directories, signal)
    return definitionOf(root)
  }
  try {
    return await call(await prepare(), signal)
  } catch (error) {
    if (!(error instanceof MoorageError && error.code === 'BLOB_MISSING')) throw error
    // The daemon has removed a directory since, to make room.
    session.delivered.clear()
    return call(await prepare(), signal)
  }
}
