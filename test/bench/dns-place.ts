import { type ChildProcess, execFile, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { removeTree } from '../remove-tree.ts'

/** A network namespace with nothing but loopback, and a directory: both gone in the end, with all that runs there. */
export interface Place extends AsyncDisposable {
  readonly directory: string
  /** Starts a process there that ends with us, even if we are killed. */
  start(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess
  /** Runs a command there; what it said. */
  run(command: string, ...args: string[]): Promise<string>
  /** Ends a process that a command left behind, by its pid, when all ends. */
  adopt(pid: number): void
}

export function openPlace(): Place {
  const directory = mkdtempSync(join(tmpdir(), 'bench-dns-'))
  const namespace = `bench-dns-${process.pid}`
  execFileSync('ip', ['netns', 'add', namespace])
  execFileSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
  const inside = [`--net=/run/netns/${namespace}`, 'setpriv', '--pdeathsig', 'KILL', '--']
  const children: ChildProcess[] = []
  const strays: number[] = []
  return {
    directory,
    start(command, args, options = {}) {
      const child = spawn('nsenter', [...inside, command, ...args], {
        stdio: ['pipe', 'pipe', 'inherit'],
        ...options,
      })
      children.push(child)
      return child
    },
    async run(command, ...args) {
      const { stdout } = await promisify(execFile)('nsenter', [...inside, command, ...args], {
        maxBuffer: 1 << 26,
      })
      return stdout
    },
    adopt: (pid) => void strays.push(pid),
    async [Symbol.asyncDispose]() {
      for (const pid of strays) process.kill(pid, 'SIGKILL')
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      execFileSync('ip', ['netns', 'del', namespace])
      removeTree(directory)
    },
  }
}

/** Milliseconds of processor time that a process has had (utime and stime of proc(5)); a tick is 10 ms. */
export function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** MB that a process has in memory. */
export function residentMemory(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
