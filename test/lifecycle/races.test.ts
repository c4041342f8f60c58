/** Events that arrive in each state, and two of them in the same turn in both orders. */
import t from 'tap'
import type { Lease } from '../../src/lifecycle/index.ts'
import { client, FakeDriver, settled, type World, watch, world } from './fake-service.ts'

interface Scene extends World {
  db: FakeDriver
  lease: Lease
}

async function ready(): Promise<Scene> {
  const made = world()
  const db = new FakeDriver('db')
  const acquired = made.services.acquire('net/db', db, client())
  await made.clock.advance(2)
  return { ...made, db, lease: await acquired }
}

t.test('an acquire in each state', async (t) => {
  t.test('starting: it shares the start', async (t) => {
    const { clock, services } = world()
    const db = new FakeDriver('db')
    db.slow = true
    const both = [
      watch(services.acquire('net/db', db, client())),
      watch(services.acquire('net/db', db, client())),
    ]
    db.starting.come()
    await clock.advance(2)
    t.match(both, [{ done: true }, { done: true }])
    t.equal(db.starts.length, 1)
  })
  t.test('ready and grace: it has it at once', async (t) => {
    const { services, db, lease } = await ready()
    const second = await services.acquire('net/db', db, client())
    second.release()
    lease.release()
    const third = await services.acquire('net/db', db, client())
    t.equal(third.address, '10.0.0.1')
    t.equal(services.get('net/db')?.state, 'ready')
  })
  t.test('stopping: it waits for the end and gets a fresh start', async (t) => {
    const { clock, services, db, states } = await ready()
    db.ignores = ['SIGTERM']
    const stopped = watch(services.stop('net/db'))
    const told: unknown[] = []
    await clock.advance(5)
    const wait = watch(services.acquire('net/db', db, client({ onProgress: (p) => told.push(p) })))
    const another = watch(services.acquire('net/db', db, client()))
    await clock.advance(9_994)
    t.equal(wait.done, false)
    t.equal(db.starts.length, 1)
    await clock.advance(3)
    t.equal(stopped.done, true)
    t.equal(wait.value?.address, '10.0.0.2')
    t.equal(another.value?.address, '10.0.0.2')
    t.equal(db.starts.length, 2)
    t.match(told, [
      { state: 'waiting', detail: 'its earlier run has not ended' },
      { state: 'running' },
      { state: 'healthy' },
    ])
    t.strictSame(states('net/db'), ['starting', 'ready', 'stopping', 'stopped', 'starting', 'ready'])
  })
  t.test('stopping: its deadline counts from the asking, and it can go', async (t) => {
    const { clock, services, db } = await ready()
    db.ignores = ['SIGTERM']
    const stopped = watch(services.stop('net/db'))
    const caller = new AbortController()
    const late = watch(services.acquire('net/db', db, client({ startTimeout: 100 })))
    const gone = watch(services.acquire('net/db', db, client({ signal: caller.signal })))
    await clock.advance(50)
    caller.abort(new Error('enough'))
    await clock.advance(50)
    t.match(gone.error, { message: 'enough' })
    t.match(late.error, {
      code: 'HEALTH_TIMEOUT',
      message: /not healthy after 100 ms: its earlier run has not ended/,
    })
    await clock.advance(10_000)
    t.equal(stopped.done, true)
    t.equal(db.starts.length, 1)
    t.equal(clock.armed, 0)
  })
  t.test('stopping for a restart: it gets the new run', async (t) => {
    const { clock, services, db } = await ready()
    db.ignores = ['SIGTERM']
    const restarted = watch(services.restart('net/db'))
    const wait = watch(services.acquire('net/db', db, client()))
    await clock.advance(10_002)
    t.equal(restarted.done, true)
    t.equal(wait.value?.address, '10.0.0.2')
    t.equal(services.get('net/db')?.holders.length, 2)
  })
  t.test('stopped and failed: it gets a fresh start', async (t) => {
    const { clock, services, db } = await ready()
    await services.stop('net/db')
    const second = watch(services.acquire('net/db', db, client()))
    await clock.advance(2)
    t.equal(second.done, true)
    db.process.exit(1)
    await settled()
    const third = watch(services.acquire('net/db', db, client()))
    await clock.advance(2)
    t.equal(third.value?.address, '10.0.0.3')
  })
})

t.test('the last release and an acquire', async (t) => {
  const before = await ready()
  before.lease.release()
  const second = await before.services.acquire('net/db', before.db, client())
  t.equal(before.services.get('net/db')?.state, 'ready')
  second.release()

  const after = await ready()
  const taken = after.services.acquire('net/db', after.db, client())
  after.lease.release()
  await taken
  t.strictSame(after.states('net/db'), ['starting', 'ready'], 'grace was never entered')
})

t.test('the end of grace and an acquire', async (t) => {
  const before = await ready()
  before.lease.release()
  await before.clock.advance(9_999)
  before.clock.setTimeout(() => watch(before.services.acquire('net/db', before.db, client())), 1)
  await before.clock.advance(5)
  t.equal(before.db.starts.length, 2, 'the grace was over first: a fresh start')

  const after = await ready()
  after.clock.setTimeout(() => watch(after.services.acquire('net/db', after.db, client())), 10_000)
  after.lease.release()
  await after.clock.advance(10_005)
  t.equal(after.db.starts.length, 1, 'the acquire was first: it is kept')
  t.equal(after.services.get('net/db')?.state, 'ready')
})

t.test('an exit and a stop', async (t) => {
  const exitFirst = await ready()
  const lost = watch(exitFirst.lease.lost)
  exitFirst.db.process.exit(7)
  await settled()
  await exitFirst.services.stop('net/db')
  t.match(lost.value, { code: 'SERVICE_EXITED' })
  t.equal(exitFirst.services.get('net/db')?.state, 'failed')

  const stopFirst = await ready()
  const kept = watch(stopFirst.lease.lost)
  const stopped = stopFirst.services.stop('net/db')
  stopFirst.db.process.exit(7)
  await stopped
  t.equal(kept.done, false)
  t.equal(stopFirst.services.get('net/db')?.state, 'stopped')
})

t.test('an exit and a restart', async (t) => {
  const exitFirst = await ready()
  exitFirst.db.process.exit(7)
  await settled()
  await t.rejects(exitFirst.services.restart('net/db'), { code: 'SERVICE_NOT_RUNNING' })

  const restartFirst = await ready()
  const lost = watch(restartFirst.lease.lost)
  const restarted = watch(restartFirst.services.restart('net/db'))
  restartFirst.db.processes[0]?.exit(7)
  await restartFirst.clock.advance(10)
  t.equal(restarted.done, true)
  t.equal(lost.done, false)
  t.equal(restartFirst.lease.address, '10.0.0.2')
})

t.test('a stop and a restart', async (t) => {
  const stopFirst = await ready()
  stopFirst.db.ignores = ['SIGTERM']
  const stopped = watch(stopFirst.services.stop('net/db'))
  await t.rejects(stopFirst.services.restart('net/db'), { code: 'SERVICE_NOT_RUNNING' })
  await stopFirst.clock.advance(10_000)
  t.equal(stopped.done, true)
  t.equal(stopFirst.db.starts.length, 1)

  const restartFirst = await ready()
  restartFirst.db.ignores = ['SIGTERM']
  const restarted = watch(restartFirst.services.restart('net/db'))
  const stoppedToo = watch(restartFirst.services.stop('net/db'))
  await restartFirst.clock.advance(10_000)
  t.match(restarted.error, { code: 'STOPPED_BY_REQUEST' })
  t.equal(stoppedToo.done, true)
  t.equal(restartFirst.db.starts.length, 1)
  t.equal(restartFirst.services.get('net/db')?.state, 'stopped')
  t.equal(restartFirst.clock.armed, 0)
})

t.test('two restarts are one', async (t) => {
  const { clock, services, db } = await ready()
  const both = [watch(services.restart('net/db')), watch(services.restart('net/db'))]
  await clock.advance(10)
  t.match(both, [{ done: true }, { done: true }])
  t.equal(db.starts.length, 2)
})

t.test(
  'the last release during a restart: the restart itself still wants it, until it is ready',
  async (t) => {
    const { clock, services, lease, db } = await ready()
    db.ignores = ['SIGTERM']
    const restarted = watch(services.restart('net/db'))
    lease.release()
    await clock.advance(10_002)
    t.equal(restarted.done, true)
    t.equal(services.get('net/db')?.state, 'grace')
  },
)

t.test('a restart whose time is over before the old process has ended does not start another', async (t) => {
  const { clock, services, lease, db } = await ready()
  db.ignores = ['SIGTERM']
  const slow = await services.acquire('net/db', db, client({ startTimeout: 1_000, stopTimeout: 120_000 }))
  slow.release()
  const restarted = watch(services.restart('net/db'))
  lease.release()
  await clock.advance(60_000)
  t.match(restarted.error, { code: 'HEALTH_TIMEOUT', message: /its earlier run has not ended/ })
  await clock.advance(60_000)
  t.equal(services.get('net/db')?.state, 'failed')
  t.equal(db.starts.length, 1)
  t.equal(clock.armed, 0)
})

t.test('a cancel and the passing of its check', async (t) => {
  const before = world()
  const db = new FakeDriver('db')
  const caller = new AbortController()
  before.clock.setTimeout(() => caller.abort(new Error('enough')), 2)
  const cancelled = watch(before.services.acquire('net/db', db, client({ signal: caller.signal })))
  await before.clock.advance(5)
  t.match(cancelled.error, { message: 'enough' })
  t.equal(before.services.get('net/db')?.state, 'stopped', 'nobody ever had it, so there is no grace')

  const after = world()
  const other = new FakeDriver('db')
  const late = new AbortController()
  const granted = watch(after.services.acquire('net/db', other, client({ signal: late.signal })))
  await after.clock.advance(2)
  late.abort(new Error('enough'))
  await settled()
  t.equal(granted.done, true)
  t.equal(after.services.get('net/db')?.state, 'ready', 'a lease that was given must be released')
})

t.test('a timeout and the exit', async (t) => {
  for (const first of ['timeout', 'exit'] as const) {
    const { clock, services } = world()
    const db = new FakeDriver('db')
    db.listens = []
    db.ignores = ['SIGTERM']
    const exit = () => db.process.exit(1)
    if (first === 'exit') clock.setTimeout(exit, 100)
    const wait = watch(services.acquire('net/db', db, client({ startTimeout: 100 })))
    if (first === 'timeout') clock.setTimeout(exit, 100)
    await clock.advance(100)
    t.match(wait.error, { code: first === 'exit' ? 'SERVICE_EXITED' : 'HEALTH_TIMEOUT' })
    t.match(services.get('net/db'), { state: 'failed', exitCode: 1, error: { code: wait.error?.code } })
    t.equal(clock.armed, 0)
  }
})

t.test('a timeout and an acquire: the run that is being stopped is not joined', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.listens = []
  db.ignores = ['SIGTERM']
  const first = watch(services.acquire('net/db', db, client({ startTimeout: 100 })))
  await clock.advance(100)
  db.listens = [80]
  const second = watch(services.acquire('net/db', db, client()))
  await clock.advance(10_005)
  t.match(first.error, { code: 'HEALTH_TIMEOUT' })
  t.equal(second.value?.address, '10.0.0.2')
})
