import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fchmodSync, openSync } from 'node:fs'
import { defaultPath } from '../../../definition/default-path.ts'
import type { LogStream } from '../../../logs/index.ts'
import { makeOutputPipe } from './output-pipe.ts'

/**
 * Spawns an OCI runtime whose output goes to real pipes, and with it the container's or the command's.
 *
 * @param input - the descriptor of its standard input, which is closed here
 * @returns the process, and the descriptors from which its output is read
 */
export function spawnWithPipes(
  path: string,
  args: readonly string[],
  input: number,
): { child: ChildProcess; outputs: Record<LogStream, number> } {
  const stdout = makeOutputPipe()
  const stderr = makeOutputPipe()
  try {
    const child = spawn(path, args, {
      stdio: [input, stdout.write, stderr.write],
      cwd: '/',
      env: { PATH: defaultPath },
    })
    return { child, outputs: { stdout: stdout.read, stderr: stderr.read } }
  } finally {
    for (const fd of [input, stdout.write, stderr.write]) closeSync(fd)
  }
}

/** The end of the OCI runtime's own process. */
export interface ToolOutcome {
  code: number | null
  signal: NodeJS.Signals | null
}

/** Waits for the OCI runtime's own process; an error means that there was none. */
export function outcomeOf(child: ChildProcess): Promise<ToolOutcome | Error> {
  return new Promise((resolve) => {
    child.on('error', resolve)
    child.on('exit', (code, signal) => resolve({ code, signal }))
  })
}

/**
 * Opens the end of an input's pipe that the process reads, by its path in /proc; so it is in blocking mode, whatever the
 * daemon's own end is in.
 */
export function openInputPipe(path: string, onOpened: (path: string) => void): number {
  const fd = openSync(path, 'r')
  // As with the pipes of the output: users that the process becomes may open /dev/stdin.
  fchmodSync(fd, 0o666)
  onOpened(path)
  return fd
}
