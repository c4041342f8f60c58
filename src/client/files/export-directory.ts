import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import { makeDirectory } from '../../make-directory.ts'
import type { Write } from '../session/result.ts'
import { beside, exporting } from './export-file.ts'

/**
 * Unpacks a tar beside its place, and puts what is in it there when all has come.
 *
 * @param send - writes the tar
 * @throws MoorageError EXPORT_FAILED, and what `send` throws
 */
export async function exportDirectory(
  path: string,
  { wipe, signal }: { wipe: boolean; signal: AbortSignal },
  send: (write: Write) => Promise<void>,
): Promise<void> {
  const named = resolve(path)
  await exporting(named, signal, async () => {
    await makeDirectory(dirname(named))
    // What the caller names may be a link of the caller's own; what is in it is not followed.
    const target = await realpath(named).catch(() => named)
    await using place = await beside(target)
    const made = join(place.path, 'directory')
    await mkdir(made)
    await unpack(made, signal, send)
    signal.throwIfAborted()
    if (wipe) await replace(made, target, place.path)
    else await merge(Buffer.from(made), Buffer.from(target))
  })
}

/** The system's tar: it follows no link that it has unpacked itself, and makes none outside. */
async function unpack(
  directory: string,
  signal: AbortSignal,
  send: (write: Write) => Promise<void>,
): Promise<void> {
  const child = spawn('tar', ['-x', '-p', '--no-same-owner', '-f', '-', '-C', directory], {
    stdio: ['pipe', 'ignore', 'pipe'],
    signal,
  })
  let words = ''
  child.stderr.on('data', (chunk) => {
    if (words.length < 4_096) words += chunk
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  ended.catch(() => undefined)
  let broken = false
  child.stdin.on('error', () => {
    broken = true
  })
  try {
    await send(async (piece) => {
      // When tar gives up first, its own words say more than the broken pipe.
      if (!broken && !child.stdin.write(piece)) await Promise.race([once(child.stdin, 'drain'), ended])
    })
    child.stdin.end()
    if ((await ended) !== 0) throw failed(directory, words)
  } finally {
    child.kill()
    await ended.catch(() => undefined)
  }
}

function failed(path: string, words: string): MoorageError {
  const reason = /no space left on device/i.test(words) ? 'no space is left there' : `tar: ${words.trim()}`
  return new MoorageError('EXPORT_FAILED', { path, reason })
}

async function replace(made: string, target: string, place: string): Promise<void> {
  const old = join(place, 'old')
  const moved = await rename(target, old).then(
    () => true,
    (error) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return false
    },
  )
  try {
    await rename(made, target)
  } catch (error) {
    if (moved) await rename(old, target)
    throw error
  }
}

/** Renames each entry into its place. Two directories become one; a link or a file that is there makes room. */
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

/** A directory that its owner may not write to cannot be moved by him, but for root: its `..` changes. */
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
