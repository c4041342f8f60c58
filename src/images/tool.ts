import { spawn } from 'node:child_process'
import { MoorageError } from '../errors.ts'

export interface ToolResult {
  code: number | null
  stdout: Buffer
  stderr: string
}

/**
 * Runs a system tool to its end. It leads a process group of its own, which is killed as a whole when `signal` aborts:
 * mmdebstrap and skopeo have children.
 *
 * @param onLine - told each line of its stderr, for progress
 */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { signal?: AbortSignal; env?: NodeJS.ProcessEnv; onLine?: (line: string) => void } = {},
): Promise<ToolResult> {
  const { signal, env = process.env, onLine } = options
  signal?.throwIfAborted()
  const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    // The end of it says what went wrong.
    stderr = (stderr + chunk).slice(-64 * 1024)
    for (const line of String(chunk).split(/[\r\n]+/)) if (line.trim()) onLine?.(line.trim())
  })
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself meanwhile.
    }
  }
  signal?.addEventListener('abort', kill, { once: true })
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    signal?.throwIfAborted()
    return { code, stdout: Buffer.concat(stdout), stderr }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new MoorageError('RUNTIME_MISSING', { what: command }, { cause: error })
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}
