import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import { makeDirectory } from '../../make-directory.ts'
import type { Write } from '../session/result.ts'
import { runExport, stagingDirectory } from './export-file.ts'

/**
 * Unpacks a tar beside the target, and moves its content there when all of it has arrived.
 *
 * @param send - writes the tar
 * @throws MoorageError EXPORT_FAILED, and what `send` throws
 */
export async function exportDirectory(
  path: string,
  { wipe, signal }: { wipe: boolean; signal: AbortSignal },
  send: (write: Write) => Promise<void>,
): Promise<void> {
  const absolute = resolve(path)
  await runExport(absolute, signal, async () => {
    await makeDirectory(dirname(absolute))
    // The target itself may be a link, of the caller's own; links in it are not followed.
    const target = await realpath(absolute).catch(() => absolute)
    await using staging = await stagingDirectory(target)
    const unpacked = join(staging.path, 'directory')
    await mkdir(unpacked)
    await unpack(unpacked, signal, send)
    signal.throwIfAborted()
    if (wipe) await replace(unpacked, target, staging.path)
    else await merge(Buffer.from(unpacked), Buffer.from(target))
  })
}

/** Unpacks with the system's tar, which follows no link that it has unpacked, and creates nothing outside the directory. */
async function unpack(
  directory: string,
  signal: AbortSignal,
  send: (write: Write) => Promise<void>,
): Promise<void> {
  const child = spawn('tar', ['-x', '-p', '--no-same-owner', '-f', '-', '-C', directory], {
    stdio: ['pipe', 'ignore', 'pipe'],
    signal,
  })
  let messages = ''
  child.stderr.on('data', (chunk) => {
    if (messages.length < 4_096) messages += chunk
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  ended.catch(() => undefined)
  let broken = false
  child.stdin.on('error', () => {
    broken = true
  })
  try {
    await send(async (piece) => {
      // When tar gives up first, its own message says more than the broken pipe.
      if (!broken && !child.stdin.write(piece)) await Promise.race([once(child.stdin, 'drain'), ended])
    })
    child.stdin.end()
    if ((await ended) !== 0) throw unpackFailure(directory, messages)
  } finally {
    child.kill()
    await ended.catch(() => undefined)
  }
}

function unpackFailure(path: string, messages: string): MoorageError {
  const reason = /no space left on device/i.test(messages)
    ? 'no space is left there'
    : `tar: ${messages.trim()}`
  return new MoorageError('EXPORT_FAILED', { path, reason })
}

/** Puts a directory into the place of `target`; the old one goes to `staging`. */
async function replace(directory: string, target: string, staging: string): Promise<void> {
  const old = join(staging, 'old')
  const moved = await rename(target, old).then(
    () => true,
    (error) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return false
    },
  )
  try {
    await rename(directory, target)
  } catch (error) {
    if (moved) await rename(old, target)
    throw error
  }
}

/** Renames each entry into its place. Two directories are merged; a link or a file in the way is replaced. */
async function merge(from: Buffer, to: Buffer): Promise<void> {
  if (!(await isDirectory(to))) {
    await rm(to, { force: true })
    await move(from, to)
    return
  }
  for (const entry of await readdir(from, { encoding: 'buffer', withFileTypes: true })) {
    const [inner, outer] = [within(from, entry.name), within(to, entry.name)]
    if (entry.isDirectory()) await merge(inner, outer)
    else await rename(inner, outer)
  }
}

/** Renames an entry. Only root can move a directory without write permission, since its `..` changes: grant it meanwhile. */
async function move(from: Buffer, to: Buffer): Promise<void> {
  const { mode } = await lstat(from)
  const isClosed = (mode & constants.S_IFMT) === constants.S_IFDIR && (mode & constants.S_IWUSR) === 0
  if (isClosed) await chmod(from, mode | constants.S_IWUSR)
  await rename(from, to)
  if (isClosed) await chmod(to, mode)
}

/** Names are bytes: they need not be UTF-8. */
function within(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name])
}

async function isDirectory(path: Buffer): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return false
  }
}
