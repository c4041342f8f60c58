import { once } from 'node:events'
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { isatty } from 'node:tty'
import { getSystemErrorMessage } from 'node:util'
import { MoorageError } from '../errors/index.ts'

/** The exit code of a process that SIGPIPE ended, in a shell. */
const brokenPipe = 141

let exitCodeOf = (error: MoorageError): number => error.exitStatus

/** Sets the exit code for data that cannot be written. */
export function setUnwritableExitCode(codeOf: (error: MoorageError) => number): void {
  exitCodeOf = codeOf
}

/** Makes a failing standard stream end the process. */
export function watchStandardStreams(): void {
  // Of `logs -f`, each log waits for room by itself.
  for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0)
  process.stdout.on('error', (error) => end('standard output', error))
  // Words for people: if nobody can read them, there is no place left to report it. Data on stderr is looked after below.
  process.stderr.on('error', () => undefined)
}

/**
 * Writes data to stdout or stderr. Resolves when the reader has room for more. If data cannot be written, the process ends:
 * as by SIGPIPE when the reader has enough, otherwise with an error.
 */
export async function writeData(stream: NodeJS.WriteStream, data: string | Uint8Array): Promise<void> {
  const isStderr = stream === process.stderr
  const name = isStderr ? 'standard error' : 'standard output'
  const fd = isStderr ? 2 : 1
  if (isFile(fd)) {
    // Node's own stream for files does not notice a write that was cut short by a full disk.
    try {
      writeWhole(fd, typeof data === 'string' ? Buffer.from(data) : data)
    } catch (error) {
      end(name, error)
    }
    return
  }
  const hasRoom = stream.write(data, (error) => error && end(name, error))
  if (!hasRoom) await once(stream, 'drain')
}

/** Resolves when everything that was written has been taken. Until then the process must not exit. */
export async function flushStandardStreams(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      stream.write('', () => resolve())
    })
  }
}

const files = new Map<number, boolean>()

/** True for what is written at once: files and devices that are no terminals. */
function isFile(fd: number): boolean {
  let known = files.get(fd)
  if (known === undefined) {
    const stat = fstatSync(fd)
    known = stat.isFile() || stat.isBlockDevice() || (stat.isCharacterDevice() && !isatty(fd))
    files.set(fd, known)
  }
  return known
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written)
}

function end(stream: string, cause: unknown): never {
  const { code, errno, message } = cause as NodeJS.ErrnoException
  if (code === 'EPIPE') process.exit(brokenPipe)
  const reason = errno === undefined ? message : getSystemErrorMessage(errno)
  const error = new MoorageError('OUTPUT_UNWRITABLE', { stream, reason }, { cause })
  try {
    writeSync(2, `error: ${error.message}\nhint: ${error.hint}\n`)
  } catch {
    // The exit code tells it.
  }
  process.exit(exitCodeOf(error))
}

/**
 * Returns this process's standard input, for `-i`. When it is destroyed its descriptor is closed, too, which libuv spares
 * below 3: only then does whoever writes to it get SIGPIPE.
 */
export function standardInput(): Readable {
  return process.stdin.once('close', () => {
    closeSync(0)
    // The lowest number that is free: so nothing else becomes the standard input of this process.
    openSync('/dev/null', 'r')
  })
}
