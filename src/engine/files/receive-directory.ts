import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { digestDirectory } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { Store } from '../../store/index.ts'

/**
 * Takes in a directory that a client streams as a tar, under the digest of its content. The daemon computes that
 * digest itself, so that nobody can put one content under another's name; GNU tar keeps every member below the
 * directory, links and `..` included.
 *
 * @throws MoorageError BLOB_MISMATCH when what arrived is something else
 */
export async function receiveDirectory(
  store: Store,
  digest: string,
  tar: Readable,
  signal: AbortSignal,
): Promise<void> {
  if (store.trees.has(digest)) {
    // To its end: an answer before that closes the connection that the client still writes to.
    await finished(tar.resume())
    return
  }
  const directory = await store.temporary()
  try {
    await extract(tar, directory, signal)
    const { digest: actual } = await digestDirectory(directory)
    if (actual !== digest) throw new MoorageError('BLOB_MISMATCH', { digest, actual })
    await store.trees.adopt(digest, directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function extract(tar: Readable, directory: string, signal: AbortSignal): Promise<void> {
  const child = spawn(
    'tar',
    ['--extract', '--numeric-owner', '--preserve-permissions', '--directory', directory],
    {
      stdio: ['pipe', 'ignore', 'pipe'],
      signal,
    },
  )
  let words = ''
  child.stderr.on('data', (chunk) => {
    if (words.length < 4_096) words += chunk
  })
  // When tar gives up first, its own words say more than the broken pipe.
  const fed = pipeline(tar, child.stdin).catch(() => undefined)
  const [code] = await once(child, 'close')
  await fed
  if (code !== 0)
    throw new MoorageError('INVALID_REQUEST', { reason: `not a tar of a directory: ${words.trim()}` })
}
