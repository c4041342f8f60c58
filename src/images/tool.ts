import { spawn } from 'node:child_process'
import { MoorageError } from '../errors/index.ts'

export interface ToolResult {
  code: number | null
  stdout: Buffer
  /** The last 64 KiB of it. */
  stderr: string
}

export interface ToolOptions {
  signal?: AbortSignal
  /** @defaultValue this process's */
  env?: NodeJS.ProcessEnv
  cwd?: string
}

/** What is asked of tools is manifests and lists of packages: whatever answers more is not to be trusted. */
const longestOutput = 8 * 1024 * 1024

/**
 * Runs a system tool to its end. It leads a process group of its own, which is killed as a whole when `signal` aborts,
 * and the kernel kills it when this process dies, however it does: prctl(2), PR_SET_PDEATHSIG.
 *
 * @throws MoorageError RUNTIME_MISSING; the signal's reason
 */
export async function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const { signal, env = process.env, cwd } = options
  signal?.throwIfAborted()
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
    // Messages are classified by their text.
    env: { ...env, LC_ALL: 'C' },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  })
  const kill = () => {
    // A pid that has been waited for may be somebody else's.
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    process.kill(-child.pid, 'SIGKILL')
  }
  const stdout: Buffer[] = []
  let length = 0
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout.push(chunk)
    length += chunk.length
    if (length > longestOutput) kill()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-64 * 1024)
  })
  signal?.addEventListener('abort', kill, { once: true })
  try {
    // Not `exit`: what the tool started may still hold its pipes, and write.
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    signal?.throwIfAborted()
    if (length > longestOutput) throw new Error(`${command} wrote more than ${longestOutput} bytes`)
    if (code === 127 && stderr.startsWith('setpriv: failed to execute')) {
      throw new MoorageError('RUNTIME_MISSING', { what: command })
    }
    return { code, stdout: Buffer.concat(stdout), stderr }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new MoorageError('RUNTIME_MISSING', { what: 'setpriv (util-linux)' }, { cause: error })
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}

/** The last lines of what a tool said, as one. */
export function lastWords(stderr: string): string {
  const lines = stderr.split(/[\r\n]+/).map((line) => line.trim())
  return lines.filter(Boolean).slice(-3).join('; ') || 'it said nothing'
}

/** A full disk, whichever tool found it; nothing when that is not what its words say. */
export function fullDisk(stderr: string, what: string, path: string): MoorageError | undefined {
  const words = /^.*(no space left on device|disk quota exceeded|enough free space).*$/im.exec(stderr)
  return words
    ? new MoorageError('DISK_FULL', { what, path }, { cause: new Error(words[0].trim()) })
    : undefined
}

/**
 * Waits until what was written to a filesystem is on the disk itself: an image is pinned for good, and a loss of power
 * must not leave one of empty files.
 */
export async function settle(directory: string, signal: AbortSignal): Promise<void> {
  const { code, stderr } = await runTool('sync', ['--file-system', directory], { signal })
  if (code !== 0) throw new Error(`sync --file-system ${directory}: ${lastWords(stderr)}`)
}
