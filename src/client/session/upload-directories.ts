import { untilCancelled } from '../cancellation.ts'
import type { HostDirectory } from '../graph/host-directory.ts'
import { apiPath } from '../wire/api-path.ts'
import type { Session } from './session.ts'

/** Sends those of the directories, all of which have been read, that the daemon does not have. */
export async function uploadDirectories(
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
    apiPath('blobs/missing'),
    { digests: [...byDigest.keys()] },
    { signal },
  )
  for (const digest of missing) {
    const directory = byDigest.get(digest)
    if (directory) await untilCancelled(upload(session, digest, directory), signal)
  }
  for (const digest of byDigest.keys()) session.delivered.add(digest)
}

/**
 * Uploads a directory once for all calls that need it at the same time. The upload belongs to the connection, not to
 * the first of those calls: it goes on when that one is cancelled.
 */
function upload(
  { uploads, transport, signal }: Session,
  digest: string,
  directory: HostDirectory,
): Promise<void> {
  const send = async () => {
    try {
      const tar = await directory.tar(signal)
      await transport.upload(apiPath(`blobs/${digest}`), 'application/x-tar', tar, { signal })
    } catch (error) {
      // The directory may have changed while it was read: the next call reads it again.
      directory.forget()
      throw error
    }
  }
  return uploads.join(digest, send, { signal })
}
