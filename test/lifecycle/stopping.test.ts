import t from 'tap'
import type { Lease } from '../../src/lifecycle/index.ts'
import {
  client,
  FakeDriver,
  runHolder,
  serviceHolder,
  settled,
  tcp,
  type World,
  watch,
  world,
} from './fake-service.ts'

/** A service that is ready, with one lease. */
async function ready(
  options: Partial<Parameters<typeof client>[0]> = {},
  given: Parameters<typeof world>[0] = {},
): Promise<World & { db: FakeDriver; lease: Lease; state: () => string | undefined }> {
  const made = world(given)
  const db = new FakeDriver('db')
  const acquired = made.services.acquire('net/db', db, client(options))
  await made.clock.advance(2)
  return { ...made, db, lease: await acquired, state: () => made.services.get('net/db')?.state }
}

t.test('grace is 10 s to the millisecond, then comes SIGTERM', async (t) => {
  const { clock, services, db, lease, state, states } = await ready()
  lease.release()
  t.match(services.get('net/db'), { state: 'grace', stopsAt: clock.now() + 10_000, holders: [] })
  await clock.advance(9_999)
  t.equal(state(), 'grace')
  t.strictSame(db.process.signals, [])
  await clock.advance(1)
  t.strictSame(db.process.signals, ['SIGTERM'])
  t.match(services.get('net/db'), {
    state: 'stopped',
    exitCode: 143,
    error: null,
    address: null,
    stopsAt: null,
  })
  t.strictSame(states('net/db'), ['starting', 'ready', 'grace', 'stopping', 'stopped'])
  t.equal(db.process.released, 1)
  t.equal(clock.armed, 0)
})

t.test('a lease taken during grace revokes it; the next grace is a whole one', async (t) => {
  const { clock, services, db, lease, state, states } = await ready()
  lease.release()
  await clock.advance(9_999)
  const again = await services.acquire('net/db', db, client())
  t.match(services.get('net/db'), { state: 'ready', stopsAt: null })
  await clock.advance(60_000)
  again.release()
  await clock.advance(9_999)
  t.equal(state(), 'grace')
  await clock.advance(1)
  t.equal(state(), 'stopped')
  t.strictSame(states('net/db'), ['starting', 'ready', 'grace', 'ready', 'grace', 'stopping', 'stopped'])
  t.equal(db.processes.length, 1)
})

t.test('a grace of zero stops at once', async (t) => {
  const { db, lease, states } = await ready({ grace: 0 })
  lease.release()
  t.strictSame(db.process.signals, ['SIGTERM'])
  await settled()
  t.strictSame(states('net/db'), ['starting', 'ready', 'stopping', 'stopped'])
})

t.test('the longest grace since the start counts, whoever is last', async (t) => {
  const { clock, services, db, lease, state } = await ready({ grace: 20_000 })
  const short = await services.acquire('net/db', db, client({ grace: 0 }))
  lease.release()
  short.release()
  await clock.advance(19_999)
  t.equal(state(), 'grace')
  await clock.advance(1)
  t.equal(state(), 'stopped')
  const fresh = services.acquire('net/db', db, client({ grace: 0 }))
  await clock.advance(2)
  ;(await fresh).release()
  await settled()
  t.equal(state(), 'stopped', 'a new start knows nothing of it')
})

t.test('the daemon’s default grace is for those who do not ask', async (t) => {
  const { clock, lease, state } = await ready({}, { defaultGrace: 500 })
  lease.release()
  await clock.advance(499)
  t.equal(state(), 'grace')
  await clock.advance(1)
  t.equal(state(), 'stopped')
})

t.test('a lease counts once, however often it is released; disposing releases', async (t) => {
  const { services, db, lease, state } = await ready()
  const other = await services.acquire('net/db', db, client())
  lease.release()
  lease.release()
  t.equal(state(), 'ready')
  {
    using _ = other
  }
  t.equal(state(), 'grace')
})

t.test('what does not end on its stop signal is killed after the stop timeout', async (t) => {
  const { clock, db, lease, state } = await ready({ grace: 0 })
  db.ignores = ['SIGTERM']
  lease.release()
  await clock.advance(9_999)
  t.strictSame(db.process.signals, ['SIGTERM'])
  t.equal(state(), 'stopping')
  await clock.advance(1)
  t.strictSame(db.process.signals, ['SIGTERM', 'SIGKILL'])
  t.equal(state(), 'stopped')
  t.equal(clock.armed, 0)
})

t.test('the first’s stop signal and the longest stop timeout count', async (t) => {
  const { clock, services, db, lease } = await ready({ grace: 0, stopSignal: 'SIGINT', stopTimeout: 100 })
  db.ignores = ['SIGINT']
  const other = await services.acquire(
    'net/db',
    db,
    client({ grace: 0, stopSignal: 'SIGQUIT', stopTimeout: 700 }),
  )
  lease.release()
  other.release()
  await clock.advance(699)
  t.strictSame(db.process.signals, ['SIGINT'])
  await clock.advance(1)
  t.strictSame(db.process.signals, ['SIGINT', 'SIGKILL'])
})

t.test('the timeout scale stretches the default stop timeout', async (t) => {
  const { clock, db, lease } = await ready({ grace: 0 }, { timeoutScale: 2 })
  db.ignores = ['SIGTERM']
  lease.release()
  await clock.advance(19_999)
  t.strictSame(db.process.signals, ['SIGTERM'])
  await clock.advance(1)
  t.strictSame(db.process.signals, ['SIGTERM', 'SIGKILL'])
})

t.test('a signal that cannot be sent is shown, and tried again', async (t) => {
  const { clock, services, db, lease } = await ready({ grace: 0 })
  const { process } = db
  const send = process.signal.bind(process)
  let broken = true
  process.signal = async (name) => {
    if (broken) throw new Error('no such cgroup')
    await send(name)
  }
  lease.release()
  await clock.advance(12_000)
  t.match(services.get('net/db'), { state: 'stopping', error: { message: /no such cgroup/ } })
  broken = false
  await clock.advance(1_000)
  t.match(services.get('net/db'), { state: 'stopped', error: null })
  t.strictSame(process.signals, ['SIGKILL'])
})

t.test('a stop by request: leases are gone and not lost, their holders go on', async (t) => {
  const { clock, services, db, lease, states } = await ready()
  const lost = watch(lease.lost)
  const stopped = watch(services.stop('net/db'))
  await settled()
  t.equal(stopped.done, true)
  t.equal(stopped.error, undefined)
  t.strictSame(db.process.signals, ['SIGTERM'])
  t.match(services.get('net/db'), { state: 'stopped', holders: [], error: null })
  lease.release()
  await clock.advance(20_000)
  t.equal(lost.done, false)
  t.strictSame(states('net/db'), ['starting', 'ready', 'stopping', 'stopped'])
})

t.test('a stop waits until the service has stopped and all is released', async (t) => {
  const { clock, services, db } = await ready()
  db.ignores = ['SIGTERM']
  const released = Promise.withResolvers<void>()
  db.onRelease = () => released.promise
  const stopped = watch(services.stop('net/db'))
  await clock.advance(10_000)
  t.equal(stopped.done, false)
  released.resolve()
  await settled()
  t.equal(stopped.done, true)
})

t.test('stopping what does not run does nothing', async (t) => {
  const { services } = await ready()
  await services.stop('net/other')
  await services.stop('net/db')
  await services.stop('net/db')
  t.match(services.list(), [{ key: 'net/db', state: 'stopped' }])
})

t.test('a kill sends SIGKILL at once, and hastens a gentle stop', async (t) => {
  const one = await ready()
  await one.services.stop('net/db', { kill: true })
  t.strictSame(one.db.process.signals, ['SIGKILL'])

  const other = await ready()
  other.db.ignores = ['SIGTERM']
  const gentle = watch(other.services.stop('net/db'))
  await other.clock.advance(100)
  await other.services.stop('net/db', { kill: true })
  t.strictSame(other.db.process.signals, ['SIGTERM', 'SIGKILL'])
  await settled()
  t.equal(gentle.done, true)
})

t.test('a stop while it starts fails those who wait', async (t) => {
  for (const slow of [true, false]) {
    const { clock, services, states } = world()
    const db = new FakeDriver('db')
    db.slow = slow
    db.listens = []
    const wait = watch(services.acquire('net/db', db, client()))
    await clock.advance(10)
    const stopped = watch(services.stop('net/db'))
    await settled()
    t.match(wait.error, {
      code: 'STOPPED_BY_REQUEST',
      message: 'start db.moorage.internal (aliased as www): was stopped by request before it was healthy',
    })
    t.equal(stopped.done, true)
    t.equal(db.starting.context.signal.aborted, true)
    t.strictSame(states('net/db'), ['starting', 'stopping', 'stopped'])
    t.equal(db.processes.length, slow ? 0 : 1)
    t.equal(clock.armed, 0)
  }
})

t.test('a start that comes up although it was called off is stopped', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  const come = Promise.withResolvers<void>()
  db.onStart = () => come.promise
  const caller = new AbortController()
  const wait = watch(services.acquire('net/db', db, client({ signal: caller.signal })))
  await settled()
  caller.abort(new Error('enough'))
  await settled()
  t.match(wait.error, { message: 'enough' })
  t.equal(services.get('net/db')?.state, 'stopping')
  come.resolve()
  await settled()
  t.strictSame(db.process.signals, ['SIGTERM'])
  t.equal(db.process.released, 1)
  t.equal(services.get('net/db')?.state, 'stopped')
  t.equal(clock.armed, 0)
})

t.test('what cannot be released is said to who stops it, and shown', async (t) => {
  const { services, db } = await ready()
  db.onRelease = async () => {
    throw new Error('the mount is busy')
  }
  await t.rejects(services.stop('net/db'), {
    code: 'INTERNAL',
    message: /db\.moorage\.internal: not all that it held was released: the mount is busy/,
  })
  t.match(services.get('net/db'), { state: 'failed', error: { message: /the mount is busy/ } })

  const other = await ready()
  other.db.onRelease = db.onRelease
  other.db.process.exit(1)
  await settled()
  t.match(other.services.get('net/db')?.error, {
    code: 'SERVICE_EXITED',
    message: /exited with code 1 while it was in use; .*the mount is busy/,
  })
})

t.test('a restart keeps the leases and changes their address', async (t) => {
  const { clock, services, db, lease, states } = await ready()
  const lost = watch(lease.lost)
  const restarted = watch(services.restart('net/db'))
  await clock.advance(10)
  t.equal(restarted.done, true)
  t.equal(restarted.error, undefined)
  t.equal(lease.address, '10.0.0.2')
  t.equal(db.processes[0]?.released, 1)
  t.equal(db.processes.length, 2)
  t.match(services.get('net/db'), { state: 'ready', holders: [runHolder('client')], address: '10.0.0.2' })
  t.strictSame(states('net/db'), ['starting', 'ready', 'stopping', 'pending', 'starting', 'ready'])
  t.equal(lost.done, false)
  lease.release()
  t.equal(services.get('net/db')?.state, 'grace')
})

t.test('a restart waits for the checks that made it ready', async (t) => {
  const { clock, services, db, lease } = await ready()
  db.listens = []
  const restarted = watch(services.restart('net/db'))
  await clock.advance(500)
  t.equal(restarted.done, false)
  t.match(services.get('net/db'), { state: 'starting', health: 'checking 80/tcp' })
  db.process.listening.add(80)
  await clock.advance(500)
  t.equal(restarted.done, true)
  lease.release()
})

t.test(
  'a restart that is not healthy in time fails alone while leases are held, and may become healthy yet',
  async (t) => {
    const { clock, services, db, lease, state } = await ready({ startTimeout: 1_000 })
    db.listens = []
    const restarted = watch(services.restart('net/db'))
    await clock.advance(1_000)
    t.match(restarted.error, { code: 'HEALTH_TIMEOUT', message: /80\/tcp: refused/ })
    t.equal(state(), 'starting')
    db.process.listening.add(80)
    await clock.advance(1_000)
    t.equal(state(), 'ready')
    lease.release()
    t.equal(state(), 'grace')
  },
)

t.test(
  'a restart that is not healthy in time is stopped, without grace, when its last lease is released',
  async (t) => {
    const { clock, services, db, lease, state } = await ready({ startTimeout: 1_000 })
    db.listens = []
    const restarted = watch(services.restart('net/db'))
    await clock.advance(1_000)
    t.equal(restarted.done, true)
    lease.release()
    await settled()
    t.equal(state(), 'stopped')
    t.equal(clock.armed, 0)
  },
)

t.test('a restart whose new process exits, or cannot be started, loses the leases', async (t) => {
  for (const exits of [true, false]) {
    const { clock, services, db, lease, state } = await ready()
    const lost = watch(lease.lost)
    if (exits) db.listens = []
    else
      db.onStart = async () => {
        throw new Error('no space')
      }
    const restarted = watch(services.restart('net/db'))
    await clock.advance(10)
    if (exits) db.process.exit(5)
    await settled()
    const message = exits ? /exited with code 5 before it was healthy/ : /no space/
    t.match(restarted.error, { message })
    t.match(lost.value, { message })
    t.equal(state(), 'failed')
  }
})

t.test('a restart in grace starts it again and gives it another grace', async (t) => {
  const { clock, services, db, lease, state } = await ready()
  lease.release()
  await clock.advance(5_000)
  const restarted = watch(services.restart('net/db'))
  await clock.advance(2)
  t.equal(restarted.done, true)
  t.equal(db.processes.length, 2)
  t.equal(state(), 'grace')
  await clock.advance(9_999)
  t.equal(state(), 'grace')
  await clock.advance(1)
  t.equal(state(), 'stopped')
})

t.test('a restart while it starts starts it again; those who wait go on waiting', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.listens = []
  const wait = watch(services.acquire('net/db', db, client()))
  await clock.advance(100)
  db.listens = [80]
  const restarted = watch(services.restart('net/db'))
  await clock.advance(10)
  t.equal(wait.value?.address, '10.0.0.2')
  t.equal(restarted.done, true)
  t.equal(db.processes[0]?.released, 1)
})

t.test('a restart of what does not run is an error', async (t) => {
  const { services, lease, clock } = await ready({ grace: 0 })
  await t.rejects(services.restart('net/none'), { code: 'SERVICE_NOT_RUNNING' })
  lease.release()
  await t.rejects(services.restart('net/db'), {
    code: 'SERVICE_NOT_RUNNING',
    message: 'the service db.moorage.internal is not running',
  })
  await settled()
  await t.rejects(services.restart('net/db'), { code: 'SERVICE_NOT_RUNNING' })
  t.equal(clock.armed, 0)
})

t.test('dependents are stopped before what they depend on, within their own network', async (t) => {
  const { clock, services, rows } = world()
  const order: string[] = []
  const chain = async (scope: string) => {
    const db = new FakeDriver('db')
    const app = new FakeDriver('app')
    let lease: Lease | undefined
    app.onStart = async () => {
      lease = await services.acquire(
        `${scope}/db`,
        db,
        client({ holder: serviceHolder('app', scope), checks: [] }),
      )
    }
    app.onRelease = async () => {
      order.push(`${scope}/app`)
      lease?.release()
    }
    db.onRelease = async () => void order.push(`${scope}/db`)
    await services.acquire(`${scope}/app`, app, client({ checks: [] }))
  }
  await chain('one')
  await chain('two')
  await services.stop('one/db')
  t.strictSame(order, ['one/app', 'one/db'])
  t.match(services.get('two/app'), { state: 'ready' })
  t.match(services.get('two/db'), { state: 'ready', holders: [serviceHolder('app', 'two')] })
  t.equal(
    rows.some(({ error }) => error !== null),
    false,
    'nobody failed',
  )
  await services.drain()
  t.equal(clock.armed, 0)
})

t.test('a drain stops chains from the top, side by side, and refuses what comes', async (t) => {
  const { clock, services } = world()
  const order: string[] = []
  const drivers = new Map<string, FakeDriver>()
  const start = async (label: string, needs: string[]) => {
    const driver = new FakeDriver(label)
    const held: Lease[] = []
    driver.ignores = ['SIGTERM']
    driver.onStart = async () => {
      for (const need of needs) {
        const needed = drivers.get(need) as FakeDriver
        held.push(
          await services.acquire(`net/${need}`, needed, client({ holder: serviceHolder(label), checks: [] })),
        )
      }
    }
    driver.onRelease = async () => {
      order.push(label)
      for (const lease of held) lease.release()
    }
    drivers.set(label, driver)
    return await services.acquire(`net/${label}`, driver, client({ checks: [], stopTimeout: 1_000 }))
  }
  const disk = await start('disk', [])
  const db = await start('db', ['disk'])
  const app = await start('app', ['db'])
  const mail = await start('mail', [])
  disk.release()
  db.release()
  const lost = [watch(app.lost), watch(mail.lost)]
  const drained = watch(services.drain())
  await t.rejects(services.acquire('net/new', new FakeDriver('new'), client()), { code: 'DAEMON_STOPPING' })
  await t.rejects(services.restart('net/db'), { code: 'DAEMON_STOPPING' })
  await clock.advance(1_000)
  t.strictSame(order, ['app', 'mail'])
  await clock.advance(10_000)
  t.strictSame(order, ['app', 'mail', 'db'], 'whose default stop timeout is 10 s')
  await clock.advance(10_000)
  t.strictSame(order, ['app', 'mail', 'db', 'disk'])
  t.equal(drained.done, true)
  t.equal(
    lost.some(({ done }) => done),
    false,
  )
  t.equal(clock.armed, 0)
  await services.drain()
})

t.test(
  'a caller is no service, whatever it calls itself: a stop leaves the service of that name alone',
  async (t) => {
    const { services, db } = await ready()
    const app = new FakeDriver('app')
    await services.acquire('net/app', app, client({ checks: [] }))
    await services.acquire(
      'net/db',
      db,
      client({ holder: { kind: 'caller', name: 'service app' }, checks: [] }),
    )
    await services.stop('net/db')
    t.match(services.get('net/db'), { state: 'stopped' })
    t.match(services.get('net/app'), { state: 'ready' })
  },
)

t.test('a drain kills what is left when its time is over', async (t) => {
  const { clock, services, db, lease } = await ready()
  const app = new FakeDriver('app')
  app.ignores = ['SIGTERM']
  const held = await services.acquire('net/db', db, client({ holder: serviceHolder('app') }))
  app.onRelease = async () => held.release()
  const acquired = services.acquire('net/app', app, client({ stopTimeout: 60_000 }))
  await clock.advance(2)
  await acquired
  lease.release()
  const drained = watch(services.drain({ timeout: 3_000 }))
  await clock.advance(2_999)
  t.strictSame([app.process.signals, db.process.signals], [['SIGTERM'], []])
  await clock.advance(1)
  t.strictSame([app.process.signals, db.process.signals], [['SIGTERM', 'SIGKILL'], ['SIGKILL']])
  t.equal(drained.done, true)
  t.equal(drained.error, undefined)
  t.equal(clock.armed, 0)
})

t.test('a drain ends grace at once, and fails those who wait', async (t) => {
  const { clock, services, lease, db } = await ready()
  lease.release()
  const mail = new FakeDriver('mail')
  mail.slow = true
  const starting = watch(services.acquire('net/mail', mail, client()))
  const fax = new FakeDriver('fax')
  fax.ignores = ['SIGTERM']
  const first = await services.acquire('net/fax', fax, client({ checks: [], grace: 0 }))
  first.release()
  const queued = watch(services.acquire('net/fax', fax, client()))
  const drained = watch(services.drain())
  await settled()
  t.match(starting.error, { code: 'DAEMON_STOPPING' })
  t.match(queued.error, { code: 'DAEMON_STOPPING' })
  t.strictSame(db.process.signals, ['SIGTERM'])
  await clock.advance(10_000)
  t.equal(drained.done, true)
  t.strictSame(
    services.list().map(({ state }) => state),
    ['stopped', 'stopped', 'stopped'],
  )
  t.equal(clock.armed, 0)
})

t.test('a drain does not wait for ever, and says what is stuck', async (t) => {
  const { clock, services, db, state } = await ready()
  db.ignores = ['SIGTERM', 'SIGKILL']
  const drained = watch(services.drain({ timeout: 1_000 }))
  await clock.advance(5_999)
  t.equal(drained.done, false)
  await clock.advance(1)
  t.match(drained.error, { name: 'Error', message: /db\.moorage\.internal cannot be stopped/ })
  t.equal(state(), 'stopping')
  db.process.exit(0)
  await settled()
  t.equal(clock.armed, 0)
})

t.test('services in a circle are drained too', async (t) => {
  const { services } = world()
  const [a, b] = [new FakeDriver('a'), new FakeDriver('b')]
  await services.acquire('net/a', a, client({ holder: serviceHolder('b'), checks: [] }))
  await services.acquire('net/b', b, client({ holder: serviceHolder('a'), checks: [] }))
  await services.drain()
  t.match(services.list(), [{ state: 'stopped' }, { state: 'stopped' }])
})

t.test('an exit while nobody uses it is a failure too, and tells nobody', async (t) => {
  const { clock, services, db, lease } = await ready()
  lease.release()
  db.process.exit(0)
  await settled()
  t.match(services.get('net/db'), {
    state: 'failed',
    exitCode: 0,
    error: { message: 'service db.moorage.internal: exited with code 0 while nobody used it' },
  })
  t.equal(clock.armed, 0)
})

t.test(
  'a caller that goes while it waits: a start that nobody wants is called off without grace',
  async (t) => {
    const { clock, services } = world()
    const db = new FakeDriver('db')
    db.listens = []
    const [one, two] = [new AbortController(), new AbortController()]
    const first = watch(services.acquire('net/db', db, client({ signal: one.signal })))
    const second = watch(services.acquire('net/db', db, client({ signal: two.signal })))
    await clock.advance(10)
    one.abort(new Error('one'))
    await settled()
    t.match(first.error, { message: 'one' })
    t.strictSame(db.process.signals, [], 'the other still waits')
    two.abort(new Error('two'))
    await settled()
    t.match(second.error, { message: 'two' })
    t.strictSame(db.process.signals, ['SIGTERM'])
    t.match(services.get('net/db'), { state: 'stopped', error: null })
    t.equal(clock.armed, 0)
  },
)

t.test('a caller that goes while it waits: a ready service gets its grace', async (t) => {
  const { clock, services, db, lease, state } = await ready()
  const caller = new AbortController()
  const wait = watch(services.acquire('net/db', db, client({ checks: [tcp(90)], signal: caller.signal })))
  lease.release()
  await clock.advance(30_000)
  t.equal(state(), 'ready', 'somebody waits for it')
  caller.abort(new Error('enough'))
  t.equal(state(), 'grace')
  await settled()
  t.match(wait.error, { message: 'enough' })
  t.match(services.get('net/db'), { health: 'healthy' }, 'a check that nobody waits for is forgotten')
})

t.test('a caller that has gone before it came starts nothing', async (t) => {
  const { services, rows } = world()
  const gone = AbortSignal.abort(new Error('before'))
  await t.rejects(services.acquire('net/db', new FakeDriver('db'), client({ signal: gone })), {
    message: 'before',
  })
  t.equal(rows.length, 0)
})
