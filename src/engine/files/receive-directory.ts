import { chmod, chown, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { digestDirectory } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { Store } from '../../store/index.ts'
import { fullDiskError, lastWords, runTool } from '../../system-tool/index.ts'

/**
 * Stores a directory that a client streams as a tar, under the digest of its content. The daemon computes that digest
 * itself, so that nobody can store one content under another's digest; GNU tar keeps every member below the directory,
 * links and `..` included.
 *
 * @throws MoorageError BLOB_MISMATCH when the content has another digest; INVALID_REQUEST, DISK_FULL
 */
export async function receiveDirectory(
  store: Store,
  digest: string,
  tar: Readable,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (!store.trees.has(digest)) await adopt(store, digest, tar, signal)
  } finally {
    // Read to its end, whatever became of it: tar stops at the archive's end, the client's last bytes may still be on
    // their way, and an answer before them closes the connection to which it is writing.
    await finished(tar.resume()).catch(() => undefined)
  }
}

async function adopt(store: Store, digest: string, tar: Readable, signal: AbortSignal): Promise<void> {
  const directory = await store.temporary()
  try {
    await chmod(directory, 0o755)
    await extract(tar, store, directory, signal)
    const { digest: unrooted, rooted: actual } = await digestDirectory(directory)
    if (digest !== actual && digest !== unrooted) throw new MoorageError('BLOB_MISMATCH', { digest, actual })
    // A digest without a mode stands for the usual one. The owner of the root is in no digest, and so is always the same.
    await chown(directory, 0, 0)
    if (digest !== actual) await chmod(directory, 0o755)
    await store.trees.adopt(digest, directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function extract(tar: Readable, store: Store, directory: string, signal: AbortSignal): Promise<void> {
  const args = ['--extract', '--numeric-owner', '--preserve-permissions', '--directory', directory]
  const { code, stderr } = await runTool('tar', args, { signal, input: tar })
  if (code === 0) return
  const full = fullDiskError(stderr, 'a directory of the client', store.directory)
  throw (
    full ?? new MoorageError('INVALID_REQUEST', { reason: `not a tar of a directory: ${lastWords(stderr)}` })
  )
}
