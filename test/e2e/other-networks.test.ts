/** Services and runs of a network other than `default`, from the command line. */
import t from 'tap'
import { connect } from '../../src/index.ts'
import { busyboxRoot } from './busybox-root.ts'
import { ownDirectories, startDaemon } from './own-daemon.ts'

t.setTimeout(240_000)

t.test('all commands mean the same by an ID or a name, in whichever network it is', async (t) => {
  using directories = ownDirectories()
  using root = busyboxRoot()
  await using daemon = await startDaemon(directories)
  await using far = await connect({ host: daemon.host, network: 'far' })
  await using near = await daemon.connect()
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon.cli(...args)
    t.equal(code, 0, `${args.join(' ')}: ${stderr}`)
    return stdout + stderr
  }
  const server = (moorage: typeof far, name: string, page: string) =>
    moorage
      .container()
      .withRootfs(moorage.host.directory(root.path))
      .withHostname(name)
      .withEnvVariable('PAGE', page)
      .withExposedPort(80)
      .withExec(['sh', '-c', 'echo "$PAGE listens"; exec httpd -f -p 80 -h /w'])
  await using one = await server(far, 'db', 'far').asService().start()
  const { id } = (await far.status()).services.find(({ network }) => network === 'far') ?? { id: '' }
  t.match(id, /^\w{12}$/)

  await t.test('why, logs, exec, dns query --as, inspect, history find the ID (B6)', async (t) => {
    for (const what of [id.slice(0, 11), 'db']) {
      t.match(await cli('why', what), /^db \(\w{12}\), a service in far: ready/, what)
      t.equal(await cli('logs', what), 'far listens\n')
      t.equal(await cli('exec', what, 'echo', 'hi'), 'hi\n')
      t.match(await cli('dns', 'query', 'db', '--as', what), /db A as [\d.]+: NOERROR/)
      t.match(JSON.parse(await cli('inspect', what)), { service: { id, network: 'far' } })
    }
    t.equal((await daemon.cli('--network', 'default', 'logs', id)).code, 3, 'a network that is named counts')
  })

  await using two = await server(near, 'db', 'near').asService().start()
  await t.test('ps and status tell two of one name apart (B6b)', async (t) => {
    for (const command of ['ps', 'status']) {
      const text = await cli(command)
      t.match(text, /^NAME +NETWORK +ID/m)
      t.match(text, /^db +far /m)
      t.match(text, /^db +default /m)
    }
    t.notMatch(
      await cli('--network', 'default', 'ps'),
      'NETWORK',
      'no column where there is one network only',
    )
    t.equal(await cli('logs', 'db'), 'near listens\n', 'a name belongs to the network default first')
    t.equal(await cli('--network', 'far', 'logs', 'db'), 'far listens\n')
  })

  await t.test('dns query --as takes a name, an alias, a hostname or a prefix (E14)', async (t) => {
    const row = (await near.status()).services.find(({ network }) => network === 'default')
    for (const who of ['db', row?.address ?? ''])
      t.match(await cli('dns', 'query', 'db', '--as', who), `db A as ${row?.address}: NOERROR`, who)
    t.equal((await daemon.cli('dns', 'query', 'db', '--as', 'nobody')).code, 3)
  })

  await t.test('of several that have ended the newest is told, and that it is (E17)', async (t) => {
    await cli('stop', 'db', '--kill')
    await using _next = await server(near, 'db', 'next').asService().start()
    await cli('stop', 'db', '--kill')
    const why = await cli('why', 'db')
    t.match(
      why,
      /^db \(\w{12}\), a service in default: stopped for \d+s; the newest of 2 that were called db\n/,
    )
    t.equal(await cli('logs', 'db'), 'next listens\n')
  })

  await t.test('restart and stop find it, too (B6)', async (t) => {
    await cli('restart', id)
    await cli('stop', id, '--kill')
    t.match(await cli('why', id), /a service in far: stopped/)
    const gone = await daemon.cli('exec', id, 'true')
    t.match(gone.stderr, /is not running/)
  })
  void [one, two]
})
