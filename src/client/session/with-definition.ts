import type { Definition } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { whileWanted } from '../cancellation.ts'
import { definitionOf, type Node, nodesOf } from '../graph/graph.ts'
import { HostDirectory } from '../graph/host-directory.ts'
import { type CallContext, type Session, signalOf, target } from './session.ts'

/**
 * Asks something about a graph: reads the directories that it is made of, sends what the daemon lacks of them, and
 * hands the definition to `ask`.
 *
 * @throws MoorageError DIRECTORY_UNREADABLE, BLOB_MISMATCH, and what `ask` throws
 */
export async function withDefinition<T>(
  session: Session,
  root: Node,
  context: CallContext,
  ask: (definition: Definition, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = signalOf(session, context)
  const directories = nodesOf(root).filter((node) => node instanceof HostDirectory)
  const deliver = async () => {
    await whileWanted(Promise.all(directories.map((one) => one.digest())), signal)
    await send(session, directories, signal)
    return definitionOf(root)
  }
  try {
    return await ask(await deliver(), signal)
  } catch (error) {
    if (!(error instanceof MoorageError && error.code === 'BLOB_MISSING')) throw error
    // It was there a moment ago; the daemon has made room since.
    session.delivered.clear()
    return ask(await deliver(), signal)
  }
}

async function send(
  session: Session,
  directories: readonly HostDirectory[],
  signal: AbortSignal,
): Promise<void> {
  if (directories.length === 0) return
  const byDigest = new Map<string, HostDirectory>()
  for (const directory of directories) {
    const digest = await directory.digest()
    if (!session.delivered.has(digest)) byDigest.set(digest, directory)
  }
  if (byDigest.size === 0) return
  const { missing } = await session.transport.call<{ missing: string[] }>(
    'POST',
    target('blobs/missing'),
    { digests: [...byDigest.keys()] },
    { signal },
  )
  for (const digest of missing) {
    const directory = byDigest.get(digest)
    if (directory) await whileWanted(upload(session, digest, directory), signal)
  }
  for (const digest of byDigest.keys()) session.delivered.add(digest)
}

/** Many calls at once about one directory send it once; so it belongs to the connection, not to the first of them. */
function upload(session: Session, digest: string, directory: HostDirectory): Promise<void> {
  const { uploads, transport, signal } = session
  let running = uploads.get(digest)
  if (running === undefined) {
    running = (async () => {
      try {
        const tar = await directory.tar(signal)
        await transport.upload(target(`blobs/${digest}`), 'application/x-tar', tar, { signal })
      } catch (error) {
        // Whatever went wrong, what was read is not to be trusted: "try again" then reads it again.
        directory.forget()
        throw error
      } finally {
        uploads.delete(digest)
      }
    })()
    uploads.set(digest, running)
  }
  return running
}
