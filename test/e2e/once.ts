import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { createTransport } from '../../src/client/index.ts'
import type { RunRow } from '../../src/definition/index.ts'
import type { Container, Moorage } from '../../src/index.ts'
import type { CallersOptions, CallersReport } from './callers-program.ts'

/** A run with an effect: it adds a line to a volume, and answers with all lines once it is let go. */
export function onceContainer(moorage: Moorage, root: string, volume: string): Container {
  const script = 'echo line >> /once/lines; while ! test -e /once/go; do usleep 5000; done; cat /once/lines'
  return moorage
    .container()
    .withRootfs(moorage.host.directory(root))
    .withMountedCache('/once', moorage.cacheVolume(volume))
    .withExec(['sh', '-c', script])
}

/** Lets the run go, and tells how many lines there are then. */
export async function letGo(moorage: Moorage, root: string, volume: string): Promise<void> {
  await moorage
    .container()
    .withRootfs(moorage.host.directory(root))
    .withMountedCache('/once', moorage.cacheVolume(volume))
    .withExec(['sh', '-c', 'echo > /once/go'])
    .sync()
}

/** How many callers are attached to the runs that go on. */
export async function attached(host: string): Promise<number> {
  const { runs } = await createTransport(host).call<{ runs: RunRow[] }>('GET', '/v1/runs')
  return runs.filter(({ state }) => state === 'running').reduce((sum, { callers }) => sum + callers, 0)
}

/** Processes full of callers, which call when they are told to. */
export interface Callers extends AsyncDisposable {
  /** All begin, at once. */
  call(): {
    /** When those who leave have gone. */
    readonly left: Promise<unknown>
    /** When all have ended. */
    readonly ended: Promise<CallersReport>
  }
}

export async function startCallers(processes: readonly CallersOptions[]): Promise<Callers> {
  const program = new URL('callers-program.ts', import.meta.url).pathname
  const children: ChildProcess[] = []
  const end = async () => {
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(
      children.map(
        (child) => (child.exitCode ?? child.signalCode ?? undefined) !== undefined || once(child, 'exit'),
      ),
    )
  }
  try {
    const lines = await Promise.all(
      processes.map(async (options) => {
        const child = spawn(process.execPath, [program, JSON.stringify(options)], {
          stdio: ['pipe', 'pipe', 'inherit'],
        })
        children.push(child)
        const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
        if ((await said.next()).value !== 'ready') throw new Error('a process of callers did not start')
        return said
      }),
    )
    return {
      call() {
        for (const child of children) child.stdin?.write('call\n')
        const left = Promise.all(lines.map((said) => said.next()))
        const ended = left.then(async () => {
          const reports = await Promise.all(lines.map((said) => said.next()))
          return sum(reports.map(({ value }) => JSON.parse(String(value)) as CallersReport))
        })
        return { left, ended }
      },
      [Symbol.asyncDispose]: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

function sum(reports: readonly CallersReport[]): CallersReport {
  const total: CallersReport = { answers: {}, cancelled: 0, failures: [] }
  for (const { answers, cancelled, failures } of reports) {
    for (const [answer, count] of Object.entries(answers)) {
      total.answers[answer] = (total.answers[answer] ?? 0) + count
    }
    total.cancelled += cancelled
    total.failures.push(...failures)
  }
  return total
}
