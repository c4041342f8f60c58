import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { lastBytes, readLog } from '../../src/logs/index.ts'
import { createOciRuntime, recoverContainers } from '../../src/runtime/oci/index.ts'
import type { ContainerSpec } from '../../src/runtime/runtime.ts'
import { launchersOf, ownRuntime, runs, until, type Workplace, workplace } from './own-runtime.ts'

/** Several processes that write for ever and ignore the signals that ask them to end. */
const stubborn = ['sh', '-c', 'trap "" TERM INT HUP; (while :; do echo more; sleep 0.01; done) & sleep 1000']

interface Held {
  holder: ChildProcess
  launcher: number
  /** The container's first process. */
  pid: number
  spec: ContainerSpec
}

async function hold(place: Workplace): Promise<Held> {
  const spec = place.spec(stubborn)
  const holder = spawn(
    process.execPath,
    [join(import.meta.dirname, 'holder.ts'), place.instance, place.runDirectory, JSON.stringify(spec)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = await once(createInterface(holder.stdout), 'line')
  const [launcher = 0] = launchersOf(place.runDirectory)
  return { holder, launcher, pid: Number(line), spec }
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

t.test('when the process that holds the runtime is killed, nothing is left after a moment', async (t) => {
  await using place = await workplace()
  const { holder, launcher, pid, spec } = await hold(place)
  t.ok(runs(pid))
  t.not(place.left().length, 0)
  // The container exists before it writes anything.
  while ((await lastBytes(spec.logs, 5)).stdout.length < 5) await delay(5)
  await kill(holder)
  await until('the container is dead', () => !runs(pid), 2_000)
  await until('the launcher has cleaned up', () => !runs(launcher), 2_000)
  t.same(place.left(), [])
  t.equal(String((await lastBytes(spec.logs, 5)).stdout), 'more\n', 'its output is kept')
  for await (const _ of readLog(spec.logs, { ended: new AbortController().signal }));
  t.pass('and has an end')
  const { killed, removed } = await recoverContainers(place)
  t.same([killed, removed], [[], []], 'recovery finds nothing')
})

t.test('when the launcher is killed with it, recovery removes everything', async (t) => {
  await using place = await workplace()
  const { holder, launcher, pid } = await hold(place)
  process.kill(launcher, 'SIGKILL')
  await kill(holder)
  await until('the launcher is dead', () => !runs(launcher))
  t.ok(runs(pid), 'the container runs on, and nobody looks after it')
  const { killed, removed } = await recoverContainers(place)
  t.ok(killed.includes(pid))
  t.ok(removed.some((path) => path.endsWith(`moorage-${place.instance}`)))
  t.notOk(runs(pid))
  t.same(place.left(), [])
  t.same(await recoverContainers(place), { killed: [], removed: [] }, 'a second time there is nothing')
})

t.test('a launcher that still works for a daemon that is gone is ended by recovery', async (t) => {
  await using place = await workplace()
  const { holder, launcher, pid } = await hold(place)
  // A stopped launcher notices nothing.
  process.kill(launcher, 'SIGSTOP')
  await kill(holder)
  const { killed } = await recoverContainers(place)
  t.ok(killed.includes(launcher))
  t.notOk(runs(pid))
  t.same(place.left(), [])
})

t.test('recovery leaves the containers of another instance alone', async (t) => {
  await using other = await ownRuntime()
  const container = await other.start(['sleep', '1000'])
  await using place = await workplace()
  await recoverContainers(place)
  t.ok(runs(container.pid))
  await container.signal('SIGKILL')
  t.match(await container.exited, { code: 137 })
})

t.test('when only the launcher is killed its containers end, and the next start has a new one', async (t) => {
  await using place = await ownRuntime()
  const container = await place.start(stubborn)
  const [launcher = 0] = launchersOf(place.runDirectory)
  process.kill(launcher, 'SIGKILL')
  t.same(await container.exited, { code: 137, signal: 'SIGKILL' })
  t.notOk(runs(container.pid))
  t.match(await place.run(['echo', 'again']), { code: 0, stdout: 'again\n' })
  t.match(place.problems, [/the launcher has ended unasked/])
  await place.runtime.close()
  t.same(place.left(), [])
})

t.test('nothing of the OCI runtime stays beside a container, and the launcher is its parent', async (t) => {
  await using place = await ownRuntime()
  const containers = await Promise.all(Array.from({ length: 8 }, () => place.start(['sleep', '1000'])))
  const [launcher = 0] = launchersOf(place.runDirectory)
  // The OCI runtime writes the pid a moment before it ends.
  await until('the launcher has its containers for children, and no others', () => {
    const children = childrenOf(launcher)
    return children.length === containers.length && containers.every(({ pid }) => children.includes(pid))
  })
  for (const container of containers) await container.signal('SIGKILL')
  for (const { exited } of containers) t.same(await exited, { code: 137, signal: 'SIGKILL' })
  t.same(childrenOf(launcher), [], 'nor is anything left that nobody asks about')
})

t.test('when the OCI runtime is killed while it starts a container, nothing of that is left', async (t) => {
  await using place = await ownRuntime()
  await place.run(['true'])
  const [launcher = 0] = launchersOf(place.runDirectory)
  // Killed at another moment each time, from before the container exists to after its start.
  for (let round = 0; round < 12; round += 1) {
    const starting = place.start(stubborn).then(
      async (container) => {
        await container.signal('SIGKILL')
        return container.exited
      },
      (error) => error,
    )
    await until('it is at work', () => childrenOf(launcher).length > 0)
    await delay(round)
    for (const pid of childrenOf(launcher)) killIfThere(pid)
    const outcome = await starting
    t.ok(outcome.code === 'RUNTIME_FAILED' || outcome.signal === 'SIGKILL', JSON.stringify(outcome))
  }
  t.match(await place.run(['echo', 'again']), { code: 0, stdout: 'again\n' })
  await place.runtime.close()
  t.same(place.left(), [])
})

t.test(
  'a service manager’s signal to all processes does not end the launcher before the daemon',
  async (t) => {
    await using place = await ownRuntime()
    const container = await place.start(['sleep', '1000'])
    const [launcher = 0] = launchersOf(place.runDirectory)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(launcher, signal)
    t.match(await place.run(['true']), { code: 0 })
    t.ok(runs(container.pid))
  },
)

t.test('a runtime starts over what an earlier one left', async (t) => {
  await using place = await workplace()
  const { holder, launcher } = await hold(place)
  process.kill(launcher, 'SIGKILL')
  await kill(holder)
  await recoverContainers(place)
  const { instance, runDirectory } = place
  const runtime = await createOciRuntime({ instance, runDirectory })
  const spec = place.spec(['true'])
  const container = await runtime.start(spec)
  t.match(await container.exited, { code: 0 })
  await runtime.close()
  t.notOk(existsSync(join(runDirectory, 'oci')))
  t.same(place.left(), [])
})

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Lists the children of all threads of a process, zombies too. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const text = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  })
}
