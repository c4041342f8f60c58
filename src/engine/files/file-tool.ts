import { spawn } from 'node:child_process'
import { pipeline } from 'node:stream/promises'
import { MoorageError } from '../../errors/index.ts'

export interface FileToolOptions {
  signal: AbortSignal
  cwd?: string
  /** Runs beside it, its output being this one's input. */
  input?: { command: string; args: readonly string[]; cwd: string }
  /** Takes its output; without it there is none. */
  output?: (chunk: Buffer) => Promise<void>
}

/**
 * Runs a system tool on files to its end. It is killed when `signal` aborts, and by the kernel when this process dies,
 * however it does: prctl(2), PR_SET_PDEATHSIG. Paths in /proc/self/fd mean this process's descriptors.
 *
 * @throws MoorageError RUNTIME_MISSING; the signal's reason
 */
export async function runFileTool(
  command: string,
  args: readonly string[],
  options: FileToolOptions,
): Promise<{ code: number | null; stderr: string }> {
  const { signal, cwd, input, output } = options
  signal.throwIfAborted()
  const feeder = input && start(input.command, input.args, input.cwd, true)
  const tool = start(command, args, cwd, output !== undefined)
  const children = feeder ? [feeder, tool] : [tool]
  const kill = () => {
    for (const { child } of children) child.kill('SIGKILL')
  }
  signal.addEventListener('abort', kill, { once: true })
  try {
    // When one gives up, the other's words say more than the broken pipe.
    if (feeder) void pipeline(feeder.child.stdout, tool.child.stdin).catch(() => undefined)
    else tool.child.stdin.end()
    tool.child.stdin.on('error', () => undefined)
    if (output) for await (const chunk of tool.child.stdout) await output(chunk as Buffer)
    const codes = await Promise.all(children.map(({ ended }) => ended))
    signal.throwIfAborted()
    return {
      code: codes.find((code) => code !== 0) ?? 0,
      stderr: children.map(({ words }) => words()).join(''),
    }
  } finally {
    kill()
    signal.removeEventListener('abort', kill)
    await Promise.allSettled(children.map(({ ended }) => ended))
  }
}

function start(command: string, args: readonly string[], cwd: string | undefined, heard: boolean) {
  // What a descriptor of ours names stays so for as long as it is open; the child has none of them.
  const ours = (text: string) => text.replace(/^\/proc\/self\/fd\//, `/proc/${process.pid}/fd/`)
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args.map(ours)], {
    // Messages are told apart by their text.
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['pipe', heard ? 'pipe' : 'ignore', 'pipe'],
    ...(cwd === undefined ? {} : { cwd: ours(cwd) }),
  })
  let words = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-16 * 1024)
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  }).catch((cause) => {
    throw new MoorageError('RUNTIME_MISSING', { what: `setpriv (util-linux) or ${command}` }, { cause })
  })
  ended.catch(() => undefined)
  return { child: child as Running, ended, words: () => words }
}

type Running = import('node:child_process').ChildProcessByStdio<
  import('node:stream').Writable,
  import('node:stream').Readable,
  import('node:stream').Readable
>

/** The last lines of what a tool said, as one. */
export function lastWords(stderr: string): string {
  const lines = stderr.split(/[\r\n]+/).map((line) => line.trim())
  return lines.filter(Boolean).slice(-3).join('; ') || 'it said nothing'
}
