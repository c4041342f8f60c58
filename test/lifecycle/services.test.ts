import t from 'tap'
import { MoorageError } from '../../src/errors/index.ts'
import type { StartProgress } from '../../src/lifecycle/index.ts'
import { client, FakeDriver, runHolder, serviceHolder, settled, tcp, watch, world } from './fake-service.ts'

t.test('a service is started for its first client, and is ready when its port answers', async (t) => {
  const { clock, services, states } = world()
  const db = new FakeDriver('db')
  db.listens = []
  const wait = watch(services.acquire('net/db', db, client()))
  await clock.advance(50)
  t.equal(wait.done, false)
  t.match(services.get('net/db'), {
    state: 'starting',
    health: 'checking 80/tcp',
    address: '10.0.0.1',
    holders: [runHolder('client')],
    aliases: ['www'],
    describe: { what: 'db' },
    stopsAt: null,
    exitCode: null,
    error: null,
  })
  db.process.listening.add(80)
  await clock.advance(3)
  t.match(wait.value, { key: 'net/db', address: '10.0.0.1' })
  t.match(services.get('net/db'), { state: 'ready', health: 'healthy' })
  t.strictSame(states('net/db'), ['starting', 'ready'])
  t.equal(db.processes.length, 1)
})

t.test('a service whose port answers at once is ready 2 ms after its start', async (t) => {
  const { clock, services } = world()
  const wait = watch(services.acquire('net/db', new FakeDriver('db'), client()))
  await clock.advance(1)
  t.equal(wait.done, false)
  await clock.advance(1)
  t.equal(wait.done, true)
})

t.test('a service without checks is ready as soon as it is started', async (t) => {
  const { services } = world()
  const lease = await services.acquire('net/db', new FakeDriver('db'), client({ checks: [] }))
  t.equal(lease.address, '10.0.0.1')
  t.match(services.get('net/db'), { state: 'ready', health: 'none' })
})

t.test('a thousand concurrent clients share one start', async (t) => {
  const { clock, services } = world({ onChange: () => undefined })
  const db = new FakeDriver('db')
  const all = Promise.all(
    Array.from({ length: 1_000 }, (_, index) =>
      services.acquire('net/db', db, client({ holder: runHolder(`${index}`) })),
    ),
  )
  await clock.advance(10)
  const leases = await all
  t.equal(db.starts.length, 1)
  t.equal(db.process.probes, 1, 'and one check')
  t.equal(services.get('net/db')?.holders.length, 1_000)
  for (const lease of leases) lease.release()
  t.equal(services.get('net/db')?.state, 'grace')
})

t.test('the same service under another key is another instance', async (t) => {
  const { services } = world()
  const db = new FakeDriver('db')
  const [one, other] = await Promise.all([
    services.acquire('net/db', db, client({ checks: [] })),
    services.acquire('job/db', db, client({ checks: [] })),
  ])
  t.equal(db.processes.length, 2)
  t.not(one.address, other.address)
})

t.test('who comes later gets a lease at once, if its checks have passed', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  const first = services.acquire('net/db', db, client())
  await clock.advance(5)
  await first
  const second = await services.acquire('net/db', db, client({ holder: runHolder('other'), alias: 'store' }))
  t.equal(second.address, '10.0.0.1')
  t.match(services.get('net/db'), {
    holders: [runHolder('client'), runHolder('other')],
    aliases: ['www', 'store'],
  })
  t.equal(db.process.probes, 1)
})

t.test('each binder waits for its own checks; each distinct one is run once', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  const web = watch(services.acquire('net/db', db, client({ checks: [tcp(80)] })))
  const admin = watch(services.acquire('net/db', db, client({ checks: [tcp(80), tcp(90)] })))
  await clock.advance(20)
  t.equal(web.done, true, 'the run is ready for the first')
  t.equal(admin.done, false)
  t.match(services.get('net/db'), { state: 'ready', health: 'checking 90/tcp' })
  db.process.listening.add(90)
  await clock.advance(5)
  t.equal(admin.done, true)
  const checks = services.get('net/db')?.checks
  t.match(checks, [
    { name: '80/tcp', state: 'passing', count: 1 },
    { name: '90/tcp', state: 'passing', answer: 'refused' },
  ])
})

t.test('ports are checked side by side, every 3 ms at first and every second in the end', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.listens = []
  watch(services.acquire('net/db', db, client({ checks: [tcp(80), tcp(90)] })))
  await clock.advance(200)
  t.equal(db.process.probes, 2 * (1 + 66))
  await clock.advance(10_000)
  const before = db.process.probes
  await clock.advance(10_000)
  t.equal(db.process.probes - before, 2 * 10)
})

t.test('a probe that throws is a failed attempt', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.slow = true
  const wait = watch(services.acquire('net/db', db, client({ startTimeout: 100 })))
  db.starting.come()
  await settled()
  db.process.probe = async () => {
    throw new Error('no such device')
  }
  await clock.advance(100)
  t.match(wait.error?.message, /80\/tcp: no such device/)
})

t.test('an exit before it is healthy fails all who wait, each under its own alias', async (t) => {
  for (const code of [42, 0]) {
    const { clock, services, states } = world()
    const db = new FakeDriver('db')
    db.listens = []
    const [www, store, nameless] = [
      watch(services.acquire('net/db', db, client())),
      watch(services.acquire('net/db', db, client({ alias: 'store' }))),
      watch(
        services.acquire('net/db', db, { holder: { kind: 'caller', name: 'session 1' }, checks: [tcp(80)] }),
      ),
    ]
    await clock.advance(10)
    db.process.exit(code)
    await settled()
    t.match(www.error, {
      code: 'SERVICE_EXITED',
      message: `start db.moorage.internal (aliased as www): exited with code ${code} before it was healthy`,
      details: {
        log: 'last words',
        exitCode: code,
        hostname: 'db.moorage.internal',
        alias: 'www',
        service: 'db',
      },
    })
    t.match(
      store.error?.message,
      `start db.moorage.internal (aliased as store): exited with code ${code} before`,
    )
    t.match(nameless.error?.message, `start db.moorage.internal: exited with code ${code} before`)
    t.strictSame(states('net/db'), ['starting', 'stopping', 'failed'])
    t.match(services.get('net/db'), { state: 'failed', exitCode: code, address: null, holders: [] })
    t.equal(db.process.released, 1)
    t.equal(clock.armed, 0)
  }
})

t.test('who comes after a failure gets a fresh start', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.listens = []
  const retried = services.acquire('net/db', db, client()).catch(() => {
    db.listens = [80]
    return services.acquire('net/db', db, client())
  })
  await clock.advance(10)
  db.process.exit(1)
  await clock.advance(10)
  t.equal((await retried).address, '10.0.0.2')
  t.equal(db.processes.length, 2)
})

t.test(
  'an exit is told before what it held is released, and who comes meanwhile waits for that',
  async (t) => {
    const { clock, services } = world()
    const db = new FakeDriver('db')
    const released = Promise.withResolvers<void>()
    db.onRelease = () => released.promise
    const first = watch(services.acquire('net/db', db, client()))
    await settled()
    db.process.exit(3)
    await settled()
    t.match(first.error, { code: 'SERVICE_EXITED' })
    const second = watch(services.acquire('net/db', db, client()))
    await clock.advance(100)
    t.equal(second.done, false)
    t.equal(db.starts.length, 1)
    released.resolve()
    await clock.advance(10)
    t.equal(second.value?.address, '10.0.0.2')
  },
)

t.test('a start that fails keeps its code and says for which service it was', async (t) => {
  const { services, states } = world()
  const db = new FakeDriver('db')
  db.slow = true
  const both = [
    watch(services.acquire('net/db', db, client())),
    watch(services.acquire('net/db', db, client({ alias: 'store' }))),
  ]
  db.starting.fail(new MoorageError('IMAGE_NOT_FOUND', { ref: 'redis:99', reason: 'no such tag' }))
  await settled()
  t.match(both[0]?.error, {
    code: 'IMAGE_NOT_FOUND',
    message: 'start db.moorage.internal (aliased as www): the image redis:99 does not exist: no such tag',
    details: { ref: 'redis:99' },
  })
  t.match(both[1]?.error?.message, /^start db\.moorage\.internal \(aliased as store\): the image/)
  t.strictSame(states('net/db'), ['starting', 'failed'])
})

t.test('a start that throws at once, or something that is no error, fails the same way', async (t) => {
  const { services } = world()
  const broken = {
    label: 'db',
    hostname: 'db.moorage.internal',
    describe: {},
    start: () => {
      throw 'nonsense'
    },
  }
  await t.rejects(services.acquire('net/db', broken, client()), { code: 'INTERNAL', message: /nonsense/ })
  t.match(services.list(), [{ state: 'failed' }])
})

t.test('a chain’s failure names each link', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.listens = []
  const app = new FakeDriver('app')
  app.onStart = async ({ signal }) => {
    await services.acquire('net/db', db, client({ holder: serviceHolder('app'), alias: 'store', signal }))
  }
  const wait = watch(services.acquire('net/app', app, client()))
  await clock.advance(5)
  db.process.exit(42)
  await settled()
  t.equal(
    wait.error?.message,
    'start app.moorage.internal (aliased as www): start db.moorage.internal (aliased as store): exited with code 42 before it was healthy',
  )
  t.match(wait.error, { code: 'SERVICE_EXITED', details: { log: 'last words', exitCode: 42 } })
})

t.test('one deadline covers the start and the checks; the error says what was missing', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.slow = true
  db.listens = []
  const wait = watch(
    services.acquire('net/db', db, client({ startTimeout: 300, checks: [tcp(80), tcp(90)] })),
  )
  await clock.advance(290)
  db.starting.come()
  await settled()
  db.process.listening.add(90)
  await clock.advance(9)
  t.equal(wait.done, false)
  await clock.advance(1)
  t.match(wait.error, {
    code: 'HEALTH_TIMEOUT',
    message:
      'start db.moorage.internal (aliased as www): not healthy after 300 ms: 80/tcp: refused (3 checks)',
    details: { log: 'last words', alias: 'www', hostname: 'db.moorage.internal', service: 'db' },
    hint: /0\.0\.0\.0/,
  })
  t.strictSame(db.process.signals, ['SIGTERM'], 'nobody was left, so it was stopped at once')
  t.match(services.get('net/db'), { state: 'failed', error: { code: 'HEALTH_TIMEOUT' } })
})

t.test('a start that does not come up in time is called off, and says how far it was', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.slow = true
  const wait = watch(services.acquire('net/db', db, client({ startTimeout: 2_500 })))
  await clock.advance(2_500)
  t.match(wait.error?.message, /not healthy after 2\.5 s: starting db$/)
  t.equal(db.starting.context.signal.aborted, true)
  t.equal(services.get('net/db')?.state, 'failed')
  t.equal(clock.armed, 0)
})

t.test('the default deadline is 60 s, times the timeout scale', async (t) => {
  for (const scale of [1, 3]) {
    const { clock, services } = world({ timeoutScale: scale })
    const db = new FakeDriver('db')
    db.listens = []
    const wait = watch(services.acquire('net/db', db, client()))
    await clock.advance(60_000 * scale - 1)
    t.equal(wait.done, false)
    await clock.advance(1)
    t.match(wait.error?.message, `not healthy after ${60 * scale} s`)
  }
})

t.test('a binder whose time is over fails alone', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  const hasty = watch(services.acquire('net/db', db, client({ checks: [tcp(90)], startTimeout: 100 })))
  const patient = watch(services.acquire('net/db', db, client({ holder: runHolder('patient') })))
  await clock.advance(100)
  t.match(hasty.error, { code: 'HEALTH_TIMEOUT' })
  t.equal(patient.done, true)
  t.match(services.get('net/db'), {
    state: 'ready',
    holders: [runHolder('patient')],
    health: /^90\/tcp: refused/,
  })
  t.strictSame(db.process.signals, [])
  const probes = db.process.probes
  await clock.advance(10_000)
  t.equal(db.process.probes, probes, 'and its check is not run any more')

  db.process.listening.add(90)
  const later = watch(services.acquire('net/db', db, client({ checks: [tcp(90)] })))
  await clock.advance(5)
  t.equal(later.done, true, 'until somebody else waits for it')
})

t.test('who waits is told every 10 s which check is missing', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  db.slow = true
  const told: StartProgress[] = []
  const late: StartProgress[] = []
  const wait = watch(services.acquire('net/db', db, client({ onProgress: (p) => told.push(p) })))
  await clock.advance(10_000)
  db.listens = []
  db.starting.come()
  await clock.advance(10_000)
  watch(services.acquire('net/db', db, client({ onProgress: (p) => late.push(p) })))
  db.process.listening.add(80)
  await clock.advance(1_000)
  t.equal(wait.done, true)
  t.match(told, [
    { state: 'running', detail: 'starting db' },
    { state: 'waiting', detail: 'still waiting: starting db' },
    { state: 'waiting', detail: /^still waiting: 80\/tcp: refused \(\d+ checks\)$/ },
    { state: 'healthy' },
  ])
  t.match(late, [{ state: 'running', detail: 'starting db' }, { state: 'healthy' }])
  t.equal(told.length, 4)
})

t.test('an onProgress that throws ends its own binder’s wait only', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  const throwing = () => {
    throw new Error('broken pipe')
  }
  const broken = watch(services.acquire('net/db', db, client({ onProgress: throwing })))
  const sound = watch(services.acquire('net/db', db, client()))
  await clock.advance(5)
  t.match(broken.error, { message: 'broken pipe' })
  t.equal(sound.done, true)
  t.strictSame(services.get('net/db')?.holders, [runHolder('client')])
})

t.test('a log that cannot be read, or not soon, does not keep anybody waiting', async (t) => {
  for (const [tail, log] of [
    [async () => Promise.reject(new Error('gone')), '(its log could not be read: Error: gone)'],
    [() => new Promise<string>(() => undefined), '(its log could not be read in time)'],
  ] as const) {
    const { clock, services } = world()
    const db = new FakeDriver('db')
    db.tail = tail
    const wait = watch(services.acquire('net/db', db, client()))
    await settled()
    db.process.exit(1)
    await clock.advance(1_000)
    t.match(wait.error, { code: 'SERVICE_EXITED', details: { log } })
    t.equal(clock.armed, 0)
  }
})

t.test('an exit while it is in use is told to each lease, and what it held is released', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  const acquired = Promise.all([
    services.acquire('net/db', db, client()),
    services.acquire('net/db', db, client({ alias: 'store' })),
    services.acquire('net/db', db, client({ alias: 'gone' })),
  ])
  await clock.advance(5)
  const [www, store, gone] = await acquired
  gone.release()
  const lost = [watch(www.lost), watch(store.lost), watch(gone.lost)]
  await clock.advance(1_000)
  t.equal(lost[0]?.done, false)
  db.process.exit(9)
  await settled()
  t.match(lost[0]?.value, {
    code: 'SERVICE_EXITED',
    message: 'service db.moorage.internal (aliased as www): exited with code 9 while it was in use',
    details: { log: 'last words', exitCode: 9, alias: 'www' },
  })
  t.match(lost[1]?.value?.message, /aliased as store/)
  t.equal(lost[2]?.done, false, 'a lease that was released loses nothing')
  t.match(services.get('net/db'), {
    state: 'failed',
    exitCode: 9,
    holders: [],
    error: { code: 'SERVICE_EXITED' },
  })
  t.equal(db.process.released, 1)
  www.release()
  t.equal(services.get('net/db')?.state, 'failed')
  t.equal(www.address, '10.0.0.1', 'where it was')
  t.equal(clock.armed, 0)
})

t.test('the exit of a service that lost its own service says so', async (t) => {
  const { clock, services } = world()
  const app = new FakeDriver('app')
  const acquired = services.acquire('net/app', app, client())
  await clock.advance(5)
  const lost = watch((await acquired).lost)
  app.process.exit(137, new Error('service db (aliased as store): exited with code 3 while it was in use'))
  await settled()
  t.match(
    lost.value?.message,
    'service app.moorage.internal (aliased as www): exited with code 137 while it was in use, because service db (aliased as store): exited with code 3 while it was in use',
  )
})

t.test('a process of which nothing can be learned any more counts as ended', async (t) => {
  const { clock, services } = world()
  const db = new FakeDriver('db')
  const acquired = services.acquire('net/db', db, client())
  await clock.advance(5)
  const lost = watch((await acquired).lost)
  db.process.lose(new Error('the launcher is gone'))
  await settled()
  t.match(lost.value?.message, /exited with code 255 while it was in use, because .*the launcher is gone/)
  t.equal(db.process.released, 1)
})

t.test('the last hundred that ended are remembered, the newest first', async (t) => {
  const { services } = world({ defaultGrace: 0 })
  for (let index = 0; index < 110; index += 1) {
    const lease = await services.acquire(`net/${index}`, new FakeDriver(`${index}`), client({ checks: [] }))
    lease.release()
    await settled()
  }
  const living = await services.acquire('net/live', new FakeDriver('live'), client({ checks: [] }))
  const rows = services.list()
  t.equal(rows.length, 101)
  t.match(rows.slice(0, 3), [
    { key: 'net/live', state: 'ready' },
    { key: 'net/109', state: 'stopped' },
    { key: 'net/108', state: 'stopped' },
  ])
  t.equal(services.get('net/0'), undefined)
  living.release()
})

t.test('an observer that throws is a warning, and nothing else', async (t) => {
  let thrown = false
  const warned = new Promise((resolve) => process.once('warning', resolve))
  const { services } = world({
    onChange: ({ state, holders }) => {
      if (state === 'ready' && holders.length > 0 && !thrown) {
        thrown = true
        throw new Error('no disk for the event log')
      }
    },
  })
  const lease = await services.acquire('net/db', new FakeDriver('db'), client({ checks: [] }))
  t.equal(lease.address, '10.0.0.1')
  t.match(await warned, { message: 'no disk for the event log' })
})

t.test('an observer may call back at any state', async (t) => {
  for (const state of ['pending', 'starting', 'ready', 'stopping']) {
    let again = true
    const made = world({
      defaultGrace: 0,
      onChange: (row) => {
        if (row.state !== state || !again) return
        again = false
        void made.services.stop('net/db')
      },
    })
    const db = new FakeDriver('db')
    const wait = watch(made.services.acquire('net/db', db, client()))
    await made.clock.advance(1_000)
    const restarted = watch(made.services.restart('net/db'))
    await made.clock.advance(1_000)
    t.equal(wait.done && restarted.done, true)
    t.equal(made.services.get('net/db')?.state, 'stopped', `stopped while ${state}`)
    t.equal(made.clock.armed, 0)
  }
})
