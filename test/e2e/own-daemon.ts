import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Moorage } from '../../src/index.ts'
import { removeTree } from '../remove-tree.ts'

/** The image of the tutorial; its root filesystem is built once in a state directory that all test files share. */
export const redisImage = 'mmdebstrap:bookworm?packages=redis-server,redis-tools&unpacked'
export const cliPath = join(import.meta.dirname, '../../src/cli/main.ts')

/** A daemon of a test's own, as a process, with its own directories. */
export interface OwnDaemon extends AsyncDisposable {
  readonly process: ChildProcess
  readonly host: string
  readonly stateDirectory: string
  readonly runtimeDirectory: string
  readonly env: NodeJS.ProcessEnv
  /** What it has written to stderr so far. */
  log(): string
  connect(): Promise<Moorage>
  /** Runs the CLI against it. */
  cli(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }>
  /** SIGTERM, and waits for the end; returns the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface OwnDirectories {
  stateDirectory: string
  runtimeDirectory: string
}

export function ownDirectories(): OwnDirectories & Disposable {
  const base = mkdtempSync(join(tmpdir(), 'moorage-test-'))
  return {
    stateDirectory: join(base, 'state'),
    runtimeDirectory: join(base, 'run'),
    [Symbol.dispose]: () => removeTree(base),
  }
}

/** Starts `moorage daemon` and waits until it listens; rejects with its words when it ends instead. */
export async function startDaemon(directories: OwnDirectories, ...args: string[]): Promise<OwnDaemon> {
  const { stateDirectory, runtimeDirectory } = directories
  const host = `unix://${join(runtimeDirectory, 'moorage.sock')}`
  const env = {
    ...process.env,
    MOORAGE_STATE_DIR: stateDirectory,
    MOORAGE_RUNTIME_DIR: runtimeDirectory,
    MOORAGE_HOST: host,
  }
  const child = spawn(process.execPath, [cliPath, 'daemon', ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let words = ''
  child.stderr.on('data', (chunk) => {
    words += chunk
  })
  const exited = once(child, 'exit')
  const listening = new Promise<void>((resolve) => {
    child.stderr.on('data', () => {
      if (words.includes('the daemon listens')) resolve()
    })
  })
  await Promise.race([
    listening,
    exited.then(([code]) => {
      throw new Error(`the daemon exited with code ${code}: ${words}`)
    }),
  ])
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    const [code] = await exited
    return code as number | null
  }
  return {
    process: child,
    host,
    stateDirectory,
    runtimeDirectory,
    env,
    log: () => words,
    connect: () => connect({ host }),
    cli: (...cliArgs) => run(process.execPath, [cliPath, ...cliArgs], env),
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
    },
  }
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

/** Everything in the kernel that carries an instance's id: what must be gone after its daemon. */
export async function leftOf(instance: string): Promise<string[]> {
  const [links, tables, groups] = await Promise.all([
    run('ip', ['-o', 'link']),
    run('nft', ['list', 'tables']),
    run('find', ['/sys/fs/cgroup', '-maxdepth', '3', '-type', 'd', '-name', `*${instance}*`]),
  ])
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
  return [links.stdout, tables.stdout, groups.stdout, mounts]
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.includes(instance))
}

/** Waits until a condition holds, looking every few milliseconds. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeout = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeout
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
