import { chmod, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import { makeDirectory } from '../../make-directory.ts'
import { cancellation } from '../cancellation.ts'
import type { Write } from '../session/result.ts'

/** Pieces arrive small: so many bytes of them are collected for one write. */
const bytesPerWrite = 1024 * 1024

/**
 * Writes a file beside its place and renames it there, so that readers see the old file or all of the new one.
 *
 * @param send - writes the content, and returns the permissions
 * @throws MoorageError EXPORT_FAILED, and what `send` throws
 */
export async function exportFile(
  path: string,
  signal: AbortSignal,
  send: (write: Write) => Promise<number>,
): Promise<void> {
  const target = resolve(path)
  await runExport(target, signal, async () => {
    await makeDirectory(dirname(target))
    await using staging = await stagingDirectory(target)
    const written = join(staging.path, 'file')
    {
      await using file = await open(written, 'wx', 0o600)
      let waiting: Buffer[] = []
      let length = 0
      const flush = async () => {
        const pieces = waiting
        waiting = []
        length = 0
        if (pieces.length > 0) await file.writeFile(Buffer.concat(pieces))
      }
      const permissions = await send(async (piece) => {
        waiting.push(piece)
        length += piece.length
        if (length >= bytesPerWrite) await flush()
      })
      await flush()
      await file.chmod(permissions & 0o777)
    }
    signal.throwIfAborted()
    await rename(written, target)
  })
}

/** Makes a temporary directory beside `target`, on the same filesystem; it is removed with all that is left in it. */
export async function stagingDirectory(target: string): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(dirname(target), `.${basename(target)}.moorage-`))
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true }).catch(async () => {
        // Directories that were unpacked have their permissions already: an owner who is not root needs write permission.
        await allowRemoval(Buffer.from(path))
        await rm(path, { recursive: true, force: true })
      })
    },
  }
}

async function allowRemoval(directory: Buffer): Promise<void> {
  await chmod(directory, 0o700)
  for (const entry of await readdir(directory, { encoding: 'buffer', withFileTypes: true })) {
    if (entry.isDirectory()) await allowRemoval(Buffer.concat([directory, Buffer.from('/'), entry.name]))
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'something on the way to it is not there, and cannot be made',
  EISDIR: 'it is a directory',
  ENOTDIR: 'something on the way to it is no directory',
  EEXIST: 'something on the way to it is no directory',
  ENOTEMPTY: 'it is a directory',
  ENOSPC: 'no space is left there',
  EDQUOT: 'no space is left there',
  EROFS: 'the filesystem is read-only',
}

/** Runs the work of an export. @throws MoorageError EXPORT_FAILED in place of an error of the system, CANCELLED */
export async function runExport(
  target: string,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  try {
    if (signal.aborted) throw cancellation(signal)
    await work()
  } catch (error) {
    if (error instanceof MoorageError) throw error
    if (signal.aborted) throw cancellation(signal)
    const { code, message } = error as NodeJS.ErrnoException
    throw new MoorageError(
      'EXPORT_FAILED',
      { path: target, reason: reasons[code ?? ''] ?? message },
      { cause: error },
    )
  }
}
