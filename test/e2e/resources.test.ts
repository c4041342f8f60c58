import t from 'tap'
import { ExecError, type MoorageError } from '../../src/index.ts'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(120_000)

t.test('resources', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  await using daemon = await startDaemon(directories, '--grace', '0', '--max-runs', '2')
  await using moorage = await daemon.connect()
  const box = moorage.container().withRootfs(moorage.host.directory(rootfs.path)).withStopSignal('SIGKILL')
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => t.fail('it must fail'),
      (error) => error as MoorageError,
    )
  const greedy = ['sh', '-c', 'echo begin; head -c 300000000 /dev/zero | tail']

  await t.test('a kill for lack of memory is reported as that, with the limit', async (t) => {
    const error = await failure(box.withResources({ memory: '32m' }).withExec(greedy).sync())
    t.ok(error instanceof ExecError)
    t.match(error, {
      code: 'OUT_OF_MEMORY',
      message: /^sh -c .* was killed for lack of memory: it may use 32 MiB\n/,
      exitCode: 137,
      stdout: 'begin\n',
    })
  })

  await t.test('that of a service ends its clients with the same words', async (t) => {
    const service = box
      .withResources({ memory: '32m' })
      .withExec(['sh', '-c', 'sleep 0.3; head -c 300000000 /dev/zero | tail'])
    const client = box.withServiceBinding('db', service).withExec(['sleep', '1000'], { noCache: true })
    t.match(await failure(client.sync()), {
      code: 'SERVICE_EXITED',
      message:
        /^service \w+\.moorage\.internal \(aliased as db\): exited with code 137 while it was in use, because sh -c .* was killed for lack of memory: it may use 32 MiB\n/,
    })
  })

  await t.test(
    'so many runs at the same time, and what waits says so; services are not counted',
    async (t) => {
      const meet = moorage.cacheVolume('meet')
      const service = box.withExec(['sleep', '999'])
      const run = (id: string) =>
        box
          .withMountedCache('/meet', meet)
          .withServiceBinding('db', service)
          .withExec(
            [
              'sh',
              '-c',
              `touch /meet/${id}; ls /meet; while [ ! -e /meet/go ]; do sleep 0.01; done; ls /meet`,
            ],
            { noCache: true },
          )
      const waited: string[] = []
      const outputs = ['a', 'b', 'c'].map((id) =>
        run(id).stdout({
          onEvent: (event) => {
            if (
              event.type === 'progress' &&
              event.kind === 'exec' &&
              event.state === 'waiting' &&
              event.detail
            ) {
              waited.push(event.detail)
            }
          },
        }),
      )
      await until('one waits', () => waited.length > 0)
      t.match(waited, [/waiting for one of 2 runs to end, behind 0 others/])
      // Who has a place may still be about to begin.
      await until('two run', async () => (await moorage.status()).runs === 2)
      const { services, runs } = await moorage.status()
      t.strictSame([services.filter(({ state }) => state === 'ready').length, runs], [1, 2])
      // By a service: a run would have to wait, too.
      await using _go = await box
        .withMountedCache('/meet', meet)
        .withHealthcheck({ exec: ['test', '-e', '/meet/go'] })
        .withExec(['sh', '-c', 'touch /meet/go; sleep 1000'])
        .asService()
        .start()
      await Promise.all(outputs)
    },
  )

  await t.test('a platform that is not the host’s is a clear error', async (t) => {
    const [other, own] =
      process.arch === 'x64' ? ['linux/arm64', 'linux/amd64'] : ['linux/amd64', 'linux/arm64']
    t.match(await failure(moorage.container({ platform: other }).from('redis:7').withExec(['true']).sync()), {
      code: 'PLATFORM_UNSUPPORTED',
      message: `this host cannot run the platform ${other}: it is ${own}`,
    })
  })
})
