import { type ChildProcess, spawn } from 'node:child_process'
import { finished, Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MoorageError } from '../errors/index.ts'

export interface ToolResult {
  /** Null when it was killed by a signal. With a piped tool, that one's code if it failed. */
  code: number | null
  /** Empty where `onOutput` takes it. */
  stdout: Buffer
  /** Its last 64 KiB; with a piped tool, that one's before it. */
  stderr: string
}

/** A tool whose standard output is another one's input. */
export interface PipedTool {
  command: string
  args: readonly string[]
  cwd?: string
}

export interface ToolOptions {
  /** Kills the tool. */
  signal?: AbortSignal
  cwd?: string
  /** @defaultValue this process's environment */
  env?: NodeJS.ProcessEnv
  /** Its standard input; empty unless given. What the tool does not read of a stream is left in it, open. */
  input?: Readable | PipedTool
  /** Takes its standard output, piece by piece. Otherwise the output is returned. */
  onOutput?: (piece: Buffer) => Promise<void>
}

/** Returned output is manifests and lists of packages: a tool that writes more, in bytes, is killed. */
const longestOutput = 8 * 1024 * 1024

const longestErrors = 64 * 1024

/**
 * Runs a system tool to its end. It leads a process group of its own, which is killed as a whole when `signal` aborts,
 * and the kernel kills the tool when this process dies, however it does: prctl(2), PR_SET_PDEATHSIG. Paths below
 * /proc/self/fd, in `args` and `cwd`, mean the descriptors of this process.
 *
 * @throws MoorageError RUNTIME_MISSING; the signal's reason; what `onOutput` throws
 */
export async function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const { signal, cwd, env = process.env, input, onOutput } = options
  signal?.throwIfAborted()
  const piped = input === undefined || input instanceof Readable ? undefined : input
  const feeder = piped && start(piped.command, piped.args, { cwd: piped.cwd, env, hasInput: false })
  const tool = start(command, args, { cwd, env, hasInput: input !== undefined })
  const started = feeder ? [feeder, tool] : [tool]
  const kill = () => {
    for (const { child } of started) killGroup(child)
  }
  signal?.addEventListener('abort', kill, { once: true })
  try {
    const stdin = tool.child.stdin as Writable
    // When one end gives up, what the tools say tells more than the broken pipe.
    const fed = feeder
      ? pipeline(feeder.child.stdout as Readable, stdin).catch(() => undefined)
      : input && feed(input as Readable, stdin)
    const output = onOutput ? await passOn(tool.child.stdout as Readable, onOutput) : await collect(tool)
    const codes = await Promise.all(started.map(({ ended }) => ended))
    await fed
    signal?.throwIfAborted()
    if (output === undefined) throw new Error(`${command} wrote more than ${longestOutput} bytes`)
    const failed = codes.findIndex((code) => code !== 0)
    return {
      code: failed === -1 ? 0 : (codes[failed] ?? null),
      stdout: output,
      stderr: started.map(({ errors }) => errors()).join(''),
    }
  } finally {
    kill()
    signal?.removeEventListener('abort', kill)
    await Promise.allSettled(started.map(({ ended }) => ended))
  }
}

interface StartedTool {
  readonly child: ChildProcess
  /** The exit code. Rejects with RUNTIME_MISSING. */
  readonly ended: Promise<number | null>
  errors(): string
}

function start(
  command: string,
  args: readonly string[],
  { cwd, env, hasInput }: { cwd: string | undefined; env: NodeJS.ProcessEnv; hasInput: boolean },
): StartedTool {
  // The child has none of our descriptors, but may open what they name for as long as they are open.
  const ours = (text: string) => text.replace(/^\/proc\/self\/fd\//, `/proc/${process.pid}/fd/`)
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args.map(ours)], {
    // Messages are classified by their text.
    env: { ...env, LC_ALL: 'C' },
    detached: true,
    stdio: [hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd: ours(cwd) }),
  })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-longestErrors)
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', (cause: NodeJS.ErrnoException) => {
      const isMissing = cause.code === 'ENOENT'
      reject(
        isMissing ? new MoorageError('RUNTIME_MISSING', { what: 'setpriv (util-linux)' }, { cause }) : cause,
      )
    })
    // Not `exit`: what the tool started may still hold its pipes, and write.
    child.on('close', (code) => {
      if (code !== 127 || !stderr.startsWith('setpriv: failed to execute')) resolve(code)
      else reject(new MoorageError('RUNTIME_MISSING', { what: command }))
    })
  })
  // Awaited by the caller, possibly after it has failed.
  ended.catch(() => undefined)
  return { child, ended, errors: () => stderr }
}

/** Writes a stream to a tool, for as long as the tool reads. Resolves when the tool reads no more. */
function feed(input: Readable, stdin: Writable): Promise<void> {
  return new Promise((resolve) => {
    stdin.on('error', () => undefined)
    stdin.on('close', () => {
      input.unpipe(stdin)
      resolve()
    })
    // A stream that breaks off ends the tool's input; one that ends is ended by the pipe.
    finished(input, { writable: false }, (error) => error && stdin.destroy())
    input.pipe(stdin)
  })
}

function killGroup(child: ChildProcess): void {
  // A pid that has been waited for may be another process's by now.
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  process.kill(-child.pid, 'SIGKILL')
}

async function passOn(stdout: Readable, onOutput: (piece: Buffer) => Promise<void>): Promise<Buffer> {
  for await (const piece of stdout) await onOutput(piece as Buffer)
  return Buffer.alloc(0)
}

/** Returns the whole output, or undefined, with the tool killed, when it is too long. */
async function collect({ child, ended }: StartedTool): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  let length = 0
  child.stdout?.on('data', (piece: Buffer) => {
    pieces.push(piece)
    length += piece.length
    if (length > longestOutput) killGroup(child)
  })
  await ended
  return length > longestOutput ? undefined : Buffer.concat(pieces)
}
