import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readStream } from '../../src/logs/index.ts'
import { createOciRuntime } from '../../src/runtime/oci/index.ts'
import type { ContainerExit, ContainerSpec, RunningContainer, Runtime } from '../../src/runtime/runtime.ts'
import { removeTree } from '../remove-tree.ts'

/** Directories of a test's own, with a small root filesystem and a network namespace. */
export interface Workplace extends AsyncDisposable {
  readonly base: string
  readonly instance: string
  readonly runDirectory: string
  /** busybox, root, `worker` (uid 1000, also in group `crew`). */
  readonly rootfs: string
  /** Path of the network namespace, in which a process sleeps. */
  readonly namespace: string
  /** Makes a specification whose directories exist. */
  spec(args: readonly string[], changes?: Partial<ContainerSpec>): ContainerSpec
  /** Lists everything that is left of the instance, except its base directory. */
  left(): string[]
}

let made = 0

export async function workplace(): Promise<Workplace> {
  const base = mkdtempSync(join(tmpdir(), 'moorage-runtime-'))
  const rootfs = join(base, 'rootfs')
  makeRootfs(rootfs)
  made += 1
  const instance = `t${process.pid.toString(32)}${made}`
  const runDirectory = join(base, 'run')
  mkdirSync(runDirectory)
  const sleeper = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  await until('the namespace exists', () => readFileSync(`/proc/${sleeper.pid}/comm`, 'utf8') === 'sleep\n')
  const namespace = `/proc/${sleeper.pid}/ns/net`
  let specs = 0
  return {
    base,
    instance,
    runDirectory,
    rootfs,
    namespace,
    spec(args, changes = {}) {
      specs += 1
      const id = `c${specs}`
      const upper = join(base, id)
      const logs = join(base, `${id}-logs`)
      mkdirSync(upper)
      mkdirSync(logs)
      return {
        id,
        image: 'test-image',
        args,
        env: [],
        user: '',
        workdir: '/',
        hostname: 'berth',
        lowers: [rootfs],
        upper,
        namespace,
        mounts: [],
        logs,
        ...changes,
      }
    },
    left: () => leftOf(instance, base, runDirectory),
    async [Symbol.asyncDispose]() {
      const ended = once(sleeper, 'exit')
      sleeper.kill('SIGKILL')
      await ended
      removeTree(base)
    },
  }
}

export interface OwnRuntime extends Workplace {
  readonly runtime: Runtime
  readonly problems: string[]
  start(
    args: readonly string[],
    changes?: Partial<ContainerSpec>,
  ): Promise<RunningContainer & { spec: ContainerSpec }>
  run(args: readonly string[], changes?: Partial<ContainerSpec>): Promise<Ran>
}

export interface Ran extends ContainerExit {
  stdout: string
  stderr: string
  spec: ContainerSpec
}

/** Creates a runtime in a workplace; it is closed with that. */
export async function ownRuntime(options: { ociRuntime?: string } = {}): Promise<OwnRuntime> {
  const place = await workplace()
  const problems: string[] = []
  const logger = {
    warn: (fields: Record<string, unknown>, message: string) =>
      void problems.push(`${message} ${JSON.stringify(fields)}`),
  }
  const { instance, runDirectory } = place
  let runtime: Runtime
  try {
    runtime = await createOciRuntime({ instance, runDirectory, logger, ...options })
  } catch (error) {
    await place[Symbol.asyncDispose]()
    throw error
  }
  const start: OwnRuntime['start'] = async (args, changes) => {
    const spec = place.spec(args, changes)
    return Object.assign(await runtime.start(spec), { spec })
  }
  return {
    ...place,
    runtime,
    problems,
    start,
    async run(args, changes) {
      const { exited, spec } = await start(args, changes)
      const exit = await exited
      const [stdout, stderr] = await Promise.all([wholeOf(spec, 'stdout'), wholeOf(spec, 'stderr')])
      return { ...exit, stdout: stdout.toString(), stderr: stderr.toString(), spec }
    },
    async [Symbol.asyncDispose]() {
      await runtime.close()
      await place[Symbol.asyncDispose]()
    },
  }
}

export async function wholeOf({ logs }: ContainerSpec, stream: 'stdout' | 'stderr'): Promise<Buffer> {
  const bytes = await readStream(logs, stream, { limit: 64 * 1024 * 1024 })
  if (typeof bytes === 'string') throw new Error(`the log is ${bytes}`)
  return bytes
}

/** Waits for a condition, which nothing announces. */
export async function until(what: string, holds: () => boolean, timeout = 10_000): Promise<void> {
  const deadline = Date.now() + timeout
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`)
    await delay(5)
  }
}

/** Tells whether a process runs; a zombie does not. */
export function runs(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`)
}

/** Lists the launchers of a run directory. */
export function launchersOf(runDirectory: string): number[] {
  return commandsWith(runDirectory)
    .filter(({ args }) => args.some((arg) => arg.includes('launcher.')))
    .map(({ pid }) => pid)
}

function leftOf(instance: string, base: string, runDirectory: string): string[] {
  const cgroups = readdirSync('/sys/fs/cgroup')
    .map((hierarchy) => `/sys/fs/cgroup/${hierarchy}/moorage-${instance}`)
    .concat(`/sys/fs/cgroup/moorage-${instance}`)
    .filter((path) => existsSync(path))
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(base))
  const processes = commandsWith(runDirectory)
    .filter(({ pid }) => pid !== process.pid)
    .map(({ pid, args }) => `process ${pid}: ${args.join(' ')}`)
  const files = existsSync(runDirectory)
    ? readdirSync(runDirectory, { recursive: true, encoding: 'utf8' })
    : []
  const overlays = readdirSync(base).filter((name) => name.endsWith('.overlay'))
  return [...cgroups, ...mounts, ...processes, ...files, ...overlays]
}

function commandsWith(directory: string): { pid: number; args: string[] }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
        return args.some((arg) => arg.startsWith(directory)) ? [{ pid: Number(name), args }] : []
      } catch {
        // The process ended between the listing and the reading.
        return []
      }
    })
}

function makeRootfs(path: string): void {
  for (const directory of ['bin', 'etc', 'home/worker']) mkdirSync(join(path, directory), { recursive: true })
  copyFileSync('/usr/bin/busybox', join(path, 'bin/busybox'))
  execFileSync('chroot', [path, '/bin/busybox', '--install', '-s', '/bin'])
  writeFileSync(
    join(path, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1001:Worker:/home/worker:/bin/sh\n',
  )
  writeFileSync(join(path, 'etc/group'), 'root:x:0:\nworker:x:1001:\ncrew:x:1002:root,worker\n')
}
