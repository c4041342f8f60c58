import t from 'tap'
import type { Container, MoorageError, StreamEvent } from '../../src/index.ts'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(120_000)

t.test('cache volumes: shared, private, locked', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  await using daemon = await startDaemon(directories)
  await using moorage = await daemon.connect()
  const box = moorage.container().withRootfs(moorage.host.directory(rootfs.path)).withStopSignal('SIGKILL')
  const sh = (container: Container, script: string) =>
    container.withExec(['sh', '-c', script], { noCache: true })
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => t.fail('it must fail'),
      (error) => error as MoorageError,
    )

  await t.test('locked: one at a time, those who wait are told', async (t) => {
    const volume = moorage.cacheVolume('log')
    const one = (id: string) =>
      sh(
        box.withMountedCache('/v', volume, { sharing: 'locked' }),
        `mkdir /v/busy || exit 9; echo ${id} >> /v/log; sleep 0.1; rmdir /v/busy; cat /v/log`,
      )
    const events: StreamEvent[] = []
    const outputs = await Promise.all(
      ['a', 'b', 'c', 'd'].map((id) => one(id).stdout({ onEvent: (event) => events.push(event) })),
    )
    t.equal(Math.max(...outputs.map((output) => output.length)), 8, 'each was alone')
    const waits = events.flatMap((event) =>
      event.type === 'progress' && event.kind === 'exec' && event.state === 'waiting' && event.detail
        ? [event]
        : [],
    )
    t.match(waits[0]?.detail, /waiting for the volume log, which run \w+ has locked/)
  })

  await t.test('locked: who waits can go, and the others go on', async (t) => {
    const volume = moorage.cacheVolume('patience')
    const locked = box.withMountedCache('/v', volume, { sharing: 'locked' })
    const holder = sh(locked, 'touch /v/begun; while [ ! -e /v/go ]; do sleep 0.01; done').sync()
    const look = (script: string) => sh(box.withMountedCache('/v', volume), script)
    await until('it runs', async () => (await look('ls /v').stdout()).includes('begun'))
    const cancel = new AbortController()
    const told = Promise.withResolvers<void>()
    const waiting = failure(
      sh(locked, 'true').sync({
        signal: cancel.signal,
        onEvent: (event) => {
          if (event.type === 'progress' && event.state === 'waiting') told.resolve()
        },
      }),
    )
    await told.promise
    cancel.abort()
    t.match(await waiting, { code: 'CANCELLED' })
    await look('touch /v/go').sync()
    await holder
    t.equal(await sh(locked, 'true').exitCode(), 0, 'and nobody has it any more')
  })

  await t.test('locked: somebody who wants it ends the grace of a service that nobody uses', async (t) => {
    const volume = moorage.cacheVolume('grace')
    const locked = box.withMountedCache('/v', volume, { sharing: 'locked' })
    const service = locked
      // Ready when it has written: without a check it is as soon as it runs.
      .withHealthcheck({ exec: ['test', '-s', '/v/data'] })
      .withExec(['sh', '-c', 'echo kept >> /v/data; sleep 1000'])
      .asService({ grace: '1h' })
    await sh(box.withServiceBinding('db', service), 'true').sync()
    await until('nobody uses it', async () =>
      (await moorage.status()).services.some(({ state }) => state === 'grace'),
    )
    t.equal(await sh(locked, 'cat /v/data').stdout(), 'kept\n')
    t.notOk((await moorage.status()).services.some(({ state }) => state === 'grace'))
  })

  await t.test(
    'locked: a client and its own service would wait for ever: refused before anything starts',
    async (t) => {
      const volume = moorage.cacheVolume('both')
      const locked = box.withMountedCache('/v', volume, { sharing: 'locked' })
      const before = (await moorage.status()).services.length
      const service = locked.withExec(['sh', '-c', 'sleep 1001'])
      const error = await failure(sh(locked.withServiceBinding('db', service), 'true').sync())
      t.match(error, {
        code: 'VOLUME_DEADLOCK',
        message:
          /the locked volume both .* \(sh -c true\) and \w+ \(sh -c sleep 1001\) must run at the same time/,
      })
      const other = locked.withExec(['sh', '-c', 'sleep 1002'])
      const siblings = box.withServiceBinding('a', service).withServiceBinding('b', other)
      t.match(
        await failure(sh(siblings, 'true').sync()),
        { code: 'VOLUME_DEADLOCK' },
        'two services of one client',
      )
      const outer = locked.withServiceBinding('inner', service).withExec(['sh', '-c', 'sleep 1003'])
      t.match(
        await failure(sh(box.withServiceBinding('o', outer), 'true').sync()),
        { code: 'VOLUME_DEADLOCK' },
        'a service and one that it needs',
      )
      t.equal((await moorage.status()).services.length, before, 'no service was started')
    },
  )

  await t.test(
    'locked: two clients whose services wait for each other: one is refused, the other runs',
    async (t) => {
      const [a, b] = ['left', 'right'].map((name) => moorage.cacheVolume(name))
      const meet = moorage.cacheVolume('meet')
      if (!a || !b) return
      // Each runs once its service is ready, and takes the other's volume only then.
      const client = (own: typeof a, other: typeof a, id: string) => {
        const service = box
          .withMountedCache('/v', own, { sharing: 'locked' })
          .withMountedCache('/meet', meet)
          .withHealthcheck({ exec: ['sh', '-c', '[ -e /meet/left ] && [ -e /meet/right ]'] })
          .withExec(['sh', '-c', `touch /meet/${id}; sleep 1000`])
          .asService({ grace: 0 })
        return sh(
          box.withMountedCache('/v', other, { sharing: 'locked' }).withServiceBinding('own', service),
          'true',
        )
      }
      const settled = await Promise.allSettled([client(a, b, 'left').sync(), client(b, a, 'right').sync()])
      const errors = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      t.equal(errors.length, 1, 'one of them')
      t.match(errors[0], {
        code: 'VOLUME_DEADLOCK',
        message: /run \w+ -> service \w+ -> run \w+ -> service \w+ -> run \w+/,
      })
    },
  )

  await t.test('private: a directory for each that runs, used again when free', async (t) => {
    const volume = moorage.cacheVolume('mine')
    const meet = moorage.cacheVolume('mine-meet')
    const own = (id: string) =>
      sh(
        box.withMountedCache('/v', volume, { sharing: 'private' }).withMountedCache('/meet', meet),
        `echo ${id} >> /v/who; touch /meet/${id}; while [ ! -e /meet/a ] || [ ! -e /meet/b ]; do sleep 0.01; done; cat /v/who`,
      )
    t.strictSame(await Promise.all([own('a').stdout(), own('b').stdout()]), ['a\n', 'b\n'])
    t.match(await own('c').stdout(), /^[ab]\nc\n$/)
  })

  await t.test('locked by a service: its data survives a stop and a start', async (t) => {
    const volume = moorage.cacheVolume('saved')
    const locked = box.withMountedCache('/v', volume, { sharing: 'locked' })
    const service = locked
      .withHealthcheck({ exec: ['test', '-e', '/written'] })
      .withExec(['sh', '-c', 'echo x >> /v/starts; touch /written; sleep 1000'])
      .asService({ grace: 0 })
    for (let round = 0; round < 3; round += 1) {
      await using _running = await service.start()
    }
    t.equal(await sh(locked, 'cat /v/starts').stdout(), 'x\nx\nx\n')
  })
})
