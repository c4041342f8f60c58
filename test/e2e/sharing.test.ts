import t from 'tap'
import { type Container, connect, ExecError, type HealthError } from '../../src/index.ts'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(240_000)

t.test('services and those who use them', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage = await daemon.connect()
  const box = (session = moorage) =>
    session.container().withRootfs(session.host.directory(rootfs.path)).withStopSignal('SIGKILL')
  const sh = (container: Container, script: string) =>
    container.withExec(['sh', '-c', script], { noCache: true })
  /** Gives what it is sent to all, once it has something: a file and a web server. */
  const web = (name: string, session = moorage) =>
    box(session)
      .withExposedPort(80)
      .withEnvVariable('NAME', name)
      .withExec(['sh', '-c', 'mkdir /w && echo $NAME > /w/name && exec httpd -f -p 80 -h /w'])
  const live = async (session = moorage) =>
    (await session.status()).services.filter(({ state }) => state !== 'stopped' && state !== 'failed')

  await t.test(
    'two clients meet through one service: it is one, and both run at the same time',
    async (t) => {
      // Each line that comes is added; whoever asks gets all of them.
      const board = box()
        .withExposedPort(80)
        .withExec([
          'sh',
          '-c',
          'touch /b; while :; do nc -l -p 80 -e sh -c "read line; [ \\"\\$line\\" = ? ] || echo \\"\\$line\\" >> /b; cat /b"; done',
        ])
      const client = (own: string, other: string) =>
        sh(
          box().withServiceBinding('board', board),
          `until echo ${own} | nc -w 2 board 80 | grep -q ${own}; do sleep 0.02; done; until echo ? | nc -w 2 board 80 | grep ${other}; do sleep 0.02; done`,
        ).stdout()
      t.strictSame(
        await Promise.all([client('left', 'right'), client('right', 'left')]).then((out) =>
          out.map((text) => text.trim().split('\n')[0]),
        ),
        ['right', 'left'],
      )
    },
  )

  await t.test('ten services, each depending on the one before; stopped from the top', async (t) => {
    let below: Container | undefined
    for (let index = 0; index < 10; index += 1) {
      const own = below ? box().withServiceBinding('below', below) : box()
      const fetch = below ? 'wget -q -O /w/below http://below/chain' : 'echo end > /w/below'
      below = own
        .withExposedPort(80)
        .withExec([
          'sh',
          '-c',
          `mkdir /w; ${fetch}; (echo ${index}; cat /w/below) > /w/chain; exec httpd -f -p 80 -h /w`,
        ])
    }
    const top = below as Container
    const seen = await sh(box().withServiceBinding('top', top), 'wget -q -O - http://top/chain').stdout()
    t.equal(seen, '9\n8\n7\n6\n5\n4\n3\n2\n1\n0\nend\n')
    await until('all have stopped', async () => (await live()).length === 0)
    const stopped = (await moorage.status()).services.filter(({ args }) => args.join().includes('/w/chain'))
    const order = stopped
      .sort((a, b) => a.since - b.since)
      .map(({ args }) => /echo (\d)/.exec(args.join())?.[1])
    t.strictSame(order, ['9', '8', '7', '6', '5', '4', '3', '2', '1', '0'], 'dependents before dependencies')
  })

  await t.test('two clients with one alias for different services', async (t) => {
    const ask = (service: Container) =>
      sh(box().withServiceBinding('db', service), 'wget -q -O - http://db/name').stdout()
    t.strictSame(await Promise.all([ask(web('one')), ask(web('two'))]), ['one\n', 'two\n'])
  })

  await t.test('two networks: two instances under one name', async (t) => {
    await using left = await connect({ host: daemon.host, network: 'left' })
    await using right = await connect({ host: daemon.host, network: 'right' })
    const counter = (session: typeof left) =>
      box(session)
        .withExposedPort(80)
        .withExec([
          'sh',
          '-c',
          'mkdir /w; cat /proc/sys/kernel/random/uuid > /w/id; exec httpd -f -p 80 -h /w',
        ])
    const [one, two] = [counter(left), counter(right)]
    t.equal(await one.hostname(), await two.hostname(), 'one name')
    const name = await one.hostname()
    await using _one = await one.asService().start()
    await using _two = await two.asService().start()
    // Bound: runs without bindings, even those that know the name, are shared by all networks.
    const ask = (session: typeof left) =>
      sh(box(session).withServiceBinding('db', counter(session)), `wget -q -O - http://${name}/id`).stdout()
    const [first, second, again] = await Promise.all([ask(left), ask(right), ask(left)])
    t.not(first, second, 'two instances')
    t.equal(first, again)
  })

  await t.test(
    'a service that exits ends its clients early, through a chain, naming each link',
    async (t) => {
      const base = box()
        .withExposedPort(80)
        .withExec(['sh', '-c', 'nc -l -p 80 -e true; nc -l -p 80 -e true; echo giving up; exit 42'])
      const middle = box()
        .withServiceBinding('base', base)
        .withExposedPort(81)
        .withExec(['sh', '-c', 'httpd -p 81; sleep 1000'])
      const running = Promise.withResolvers<void>()
      const client = sh(box().withServiceBinding('middle', middle), 'echo begun; sleep 1000')
      const ended = client
        .stdout({
          onEvent: (event) => {
            if (event.type === 'progress' && event.kind === 'exec' && event.state === 'running')
              running.resolve()
          },
        })
        .then(
          () => undefined,
          (error) => error as HealthError,
        )
      await running.promise
      // What its check was the first of, this is the second.
      await sh(box().withServiceBinding('base', base), 'nc -w 2 base 80; true')
        .sync()
        .catch(() => undefined)
      const error = await ended
      t.match(error, {
        code: 'SERVICE_EXITED',
        message:
          /^service \w+\.moorage\.internal \(aliased as middle\): exited with code 137 while it was in use, because service \w+\.moorage\.internal \(aliased as base\): exited with code 42 while it was in use\n/,
      })
      await until('all is gone', async () => (await live()).length === 0)
    },
  )

  await t.test('a start that fails names each link, too', async (t) => {
    const base = box().withExec(['sh', '-c', 'echo cannot >&2; exit 42'])
    const middle = box().withServiceBinding('base', base.withExposedPort(80)).withExec(['sleep', '1000'])
    const error = await sh(box().withServiceBinding('middle', middle), 'true')
      .sync()
      .then(
        () => undefined,
        (thrown) => thrown as HealthError,
      )
    t.match(error, {
      code: 'SERVICE_EXITED',
      message:
        /^start \w+\.moorage\.internal \(aliased as middle\): start \w+\.moorage\.internal \(aliased as base\): exited with code 42 before it was healthy\n/,
      log: 'cannot',
    })
  })

  await t.test('a service restarts under a running client: alias and hostname follow', async (t) => {
    // Each start has an id of its own, so that the client sees which one answers.
    const service = box()
      .withExposedPort(80)
      .withExec([
        'sh',
        '-c',
        'mkdir -p /w; cat /proc/sys/kernel/random/uuid > /w/id; exec httpd -f -p 80 -h /w',
      ])
    const name = await service.hostname()
    const meet = moorage.cacheVolume('restarted')
    const watcher = sh(
      box().withServiceBinding('db', service).withMountedCache('/meet', meet),
      `ask() { until wget -q -O - http://$1/id; do sleep 0.02; done; }; first=$(ask db); ask ${name}; echo $first; touch /meet/seen; until [ "$(ask db)" != "$first" ]; do sleep 0.02; done; ask db; ask ${name}`,
    ).stdout()
    await using running = await service.asService().start()
    const address = async () => (await live()).find(({ hostname }) => hostname === name)?.address
    const before = await address()
    const seen = sh(box().withMountedCache('/meet', meet), 'ls /meet')
    await until('the watcher has seen the first', async () => (await seen.stdout()).includes('seen'))
    await running.restart()
    t.not(await address(), before, 'the address is another one')
    const [byName, byAlias, later, laterByName] = (await watcher).trim().split('\n')
    t.equal(byName, byAlias)
    t.equal(later, laterByName)
    t.not(later, byAlias)
  })

  await t.test('leases end with the connection', async (t) => {
    const other = await daemon.connect()
    await web('leased', other).asService().start()
    t.equal((await live()).length, 1)
    await other.close()
    await until('it has stopped', async () => (await live()).length === 0)
  })

  await t.test('a command in a service, by the SDK and the CLI', async (t) => {
    await using service = await web('inside').asService().start()
    const { stdout, stderr, exitCode } = await service.exec(['sh', '-c', 'cat /w/name; echo err >&2'])
    t.strictSame([stdout, stderr, exitCode], ['inside\n', 'err\n', 0])
    t.equal((await service.exec(['cat'], { stdin: 'given' })).stdout, 'given')
    const failed = await service.exec(['sh', '-c', 'echo out; exit 7']).catch((error) => error)
    t.ok(failed instanceof ExecError)
    t.match(failed, { exitCode: 7, stdout: 'out\n' })
    t.equal((await service.exec(['sh', '-c', 'exit 7'], { expect: [7] })).exitCode, 7)
    await t.rejects(service.exec(['nothing']), { code: 'COMMAND_NOT_FOUND' })
    const large = await service.exec(['sh', '-c', 'yes 0123456 | head -c 3000000'])
    t.equal(large.stdout.length, 3_000_000)
    const id = (await live())[0]?.id ?? ''
    t.match(await daemon.cli('exec', id, 'sh', '-c', 'cat /w/name; exit 9'), { code: 9, stdout: 'inside\n' })
    t.match(await daemon.cli('exec', id, 'nothing'), { code: 127 })
    t.match(await daemon.cli('exec', 'nobody', 'true'), { code: 3 })
    const cancel = new AbortController()
    const hung = service.exec(['sleep', '4711'], { signal: cancel.signal }).catch((error) => error)
    const sleeps = async () =>
      (await service.exec(['sh', '-c', 'ps | grep -c "[s]leep 4711"; true'])).stdout.trim()
    await until('it runs', async () => (await sleeps()) === '1')
    cancel.abort(new Error('enough'))
    t.match(await hung, { code: 'CANCELLED' })
    await until('it was killed', async () => (await sleeps()) === '0')
  })

  await t.test('a pin: it stays without a connection, for its time', async (t) => {
    const other = await daemon.connect()
    const service = web('stays', other).asService()
    await service.start({ detach: true })
    await other.close()
    t.match(await live(), [{ clients: ['pin'] }])
    await web('stays').asService().stop()
    t.strictSame(await live(), [])
    t.match(await daemon.cli('start', '--for', 'soon', 'redis:7'), { code: 2 })
  })

  await t.test('finished results outlive the daemon: what ran once is not run again', async (t) => {
    const volume = moorage.cacheVolume('effects')
    const counted = box()
      .withMountedCache('/v', volume)
      .withServiceBinding('web', web('counted'))
      .withExec(['sh', '-c', 'echo x >> /v/runs; cat /v/runs'])
    t.equal(await counted.stdout(), 'x\n')
    await daemon.stop()
    await using again = await startDaemon(directories, '--grace', '0')
    await using session = await again.connect()
    const same = box(session)
      .withMountedCache('/v', session.cacheVolume('effects'))
      .withServiceBinding('web', web('counted', session))
      .withExec(['sh', '-c', 'echo x >> /v/runs; cat /v/runs'])
    t.equal(await same.stdout(), 'x\n')
    t.strictSame((await session.status()).services, [], 'and no service was started for it')
    t.equal(
      await sh(box(session).withMountedCache('/v', session.cacheVolume('effects')), 'cat /v/runs').stdout(),
      'x\n',
    )
  })
})
