import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { MoorageError } from '../../src/index.ts'
import { cliPath, leftOf, ownDirectories, run, startDaemon, until } from './own-daemon.ts'

t.setTimeout(240_000)
const image = 'mmdebstrap:bookworm?packages=busybox-static&unpacked'

/** What a call fails with. */
async function failure(work: Promise<unknown>): Promise<MoorageError> {
  try {
    await work
  } catch (error) {
    return error as MoorageError
  }
  throw new Error('it succeeded')
}

t.test('bad input gets a clear error and leaves nothing behind', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage = await daemon.connect()
  const box = moorage.container().from(image)
  const idle = async () => {
    await until('no container is left', async () => {
      const { services, runs, networks } = await moorage.status()
      return (
        runs === 0 &&
        services.every(({ state }) => state === 'stopped' || state === 'failed') &&
        networks.every(({ sandboxes }) => sandboxes === 0)
      )
    })
  }

  await t.test('an image that does not exist', async (t) => {
    const error = await failure(
      moorage
        .container()
        .from('mmdebstrap:bookworm?packages=no-such-package-anywhere&unpacked')
        .withExec(['true'])
        .stdout(),
    )
    t.equal(error.code, 'PACKAGE_NOT_FOUND')
    t.match(error.message, 'no-such-package-anywhere')
    const reference = await failure(moorage.container().from('Not A Reference').withExec(['true']).stdout())
    t.equal(reference.code, 'INVALID_IMAGE')
  })

  await t.test('a command that does not exist', async (t) => {
    const error = await failure(box.withExec(['no-such-command']).stdout())
    t.equal(error.code, 'COMMAND_NOT_FOUND')
    t.match(error.message, /no-such-command/)
    const { code, stderr } = await daemon.cli('run', image, 'no-such-command')
    t.equal(code, 127)
    t.match(stderr, 'no-such-command')
    t.equal((await daemon.cli('run', image, '/etc/passwd')).code, 126)
    await idle()
  })

  await t.test('a command that fails gives its code and its output', async (t) => {
    const error = await failure(box.withExec(['sh', '-c', 'echo out; echo err >&2; exit 7']).stdout())
    t.equal(error.code, 'EXEC_FAILED')
    t.match(error, { exitCode: 7, stdout: 'out\n', stderr: 'err\n' })
    t.equal((await daemon.cli('run', image, 'sh', '-c', 'exit 7')).code, 7)
    await idle()
  })

  for (const exitCode of [1, 0]) {
    await t.test(`a service that exits ${exitCode} before it is healthy`, async (t) => {
      const service = box.withExposedPort(80).withExec(['sh', '-c', `echo going down; exit ${exitCode}`])
      const error = await failure(box.withServiceBinding('www', service).withExec(['true']).stdout())
      t.equal(error.code, 'SERVICE_EXITED')
      t.match(error.message, /\(aliased as www\): exited with code \d before it was healthy/)
      t.match(String(error.details.log), 'going down')
      await idle()
    })
  }

  await t.test('a port that never opens', async (t) => {
    const service = box
      .withExposedPort(81)
      .withExec(['sleep', '1000'])
      .asService({ startTimeout: '2s', stopTimeout: '100ms' })
    const begin = performance.now()
    const error = await failure(box.withServiceBinding('www', service).withExec(['true']).stdout())
    const took = performance.now() - begin
    t.equal(error.code, 'HEALTH_TIMEOUT')
    t.match(error.message, '81/tcp')
    t.ok(took > 1_900 && took < 4_000, `after 2 s, not ${took} ms`)
    await idle()
  })

  await t.test('Ctrl-C on a client ends its interest at once', async (t) => {
    // The best of a few: whatever else runs on this machine only ever makes it worse.
    let best = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 5 && best >= 500; tries++) {
      const interrupt = new AbortController()
      const begun = box.withExec(['sleep', '1000'], { noCache: true }).stdout({ signal: interrupt.signal })
      await until('it runs', async () => (await moorage.status()).runs === 1)
      const begin = performance.now()
      interrupt.abort()
      await failure(begun)
      best = Math.min(best, performance.now() - begin)
      await idle()
    }
    t.ok(best < 500, `the call returned after ${Math.round(best)} ms`)
  })

  await t.test('a definition that is not valid', async (t) => {
    t.equal((await failure(moorage.container().withExec(['true']).stdout())).code !== 'INTERNAL', true)
    t.equal((await failure(box.stdout())).code, 'NO_COMMAND')
    const twice = () =>
      box.withServiceBinding('a', box.withExec(['x'])).withServiceBinding('a', box.withExec(['y']))
    t.throws(twice, { code: 'ALIAS_TWICE' })
  })

  await t.test('a second daemon on the same state directory', async (t) => {
    const env = { ...daemon.env, MOORAGE_RUNTIME_DIR: join(directories.runtimeDirectory, 'second') }
    const { code, stderr } = await run(process.execPath, [cliPath, 'daemon'], env)
    t.equal(code, 1)
    t.match(stderr, /another daemon \(pid \d+\) uses the state directory/)
    t.equal((await box.withExec(['echo', 'alive']).stdout()).trim(), 'alive', 'the first goes on')
  })

  const { instance } = await moorage.status()
  await moorage.close()
  t.equal(await daemon.stop(), 0)
  t.same(await leftOf(instance), [], 'nothing is left')
})

t.test('a subnet that the host already uses', async (t) => {
  using directories = ownDirectories()
  await run('ip', ['link', 'add', 'host-lan0', 'type', 'veth', 'peer', 'name', 'host-lan1'])
  t.teardown(() => run('ip', ['link', 'del', 'host-lan0']))
  await run('ip', ['address', 'add', '10.213.7.1/24', 'dev', 'host-lan0'])
  await run('ip', ['link', 'set', 'host-lan0', 'up'])
  const error = await failure(startDaemon(directories, '--subnet', '10.213.0.0/16'))
  t.match(error.message, /the subnet 10\.213\.0\.0\/16 cannot be used/)
  t.match(error.message, 'host-lan0')
})

t.test('directories that cannot be made', async (t) => {
  for (const [option, path, told] of [
    [
      '--state-dir',
      '/proc/nothing/state',
      /--state-dir \/proc\/nothing\/state: its directory cannot be made: ENOENT/,
    ],
    [
      '--runtime-dir',
      '/dev/null/run',
      /--runtime-dir \/dev\/null\/run: its directory cannot be made: ENOTDIR/,
    ],
    ['--listen', 'unix:///proc/nothing/x', /--listen unix:\S+: its directory cannot be made: ENOENT/],
  ] as const) {
    using directories = ownDirectories()
    t.match(await failure(startDaemon(directories, option, path)), { message: told }, option)
  }
})

t.test('not being root', async (t) => {
  const { code, stderr } = await run('setpriv', [
    '--reuid=65534',
    '--clear-groups',
    process.execPath,
    cliPath,
    'daemon',
  ])
  t.equal(code, 1)
  t.match(stderr, 'needs root')
})

t.test('a full disk for the state directory', async (t) => {
  using directories = ownDirectories()
  mkdirSync(directories.stateDirectory, { recursive: true })
  await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directories.stateDirectory])
  try {
    const error = await failure(startDaemon(directories))
    t.match(error.message, /only .* are free on the filesystem of/)
  } finally {
    await run('umount', [directories.stateDirectory])
  }
})
