/** Networks as users make them: that stay, with IPv6, with isolation by bindings. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { connect } from '../../src/index.ts'
import { ownDirectories, redisImage, startDaemon } from './own-daemon.ts'

t.setTimeout(240_000)

const args = ['redis-server', '--save', '', '--protected-mode', 'no', '--dir', '/tmp']

t.test('a network that was made stays, through a restart of the daemon, until it is removed', async (t) => {
  using directories = ownDirectories()
  {
    await using daemon = await startDaemon(directories)
    const made = await daemon.cli('network', 'create', 'kept', '--ipv6', '--isolation', 'bindings', '--json')
    t.equal(made.code, 0, made.stderr)
    const { network } = JSON.parse(made.stdout)
    t.match(network, { name: 'kept', isolation: 'bindings', subnet6: /^fd/, kept: true, problems: [] })
    t.equal((await daemon.cli('network', 'create', 'kept')).code, 0, 'again, as it is')
    const other = await daemon.cli('network', 'create', 'kept', '--isolation', 'network')
    t.equal(other.code, 1)
    t.match(other.stderr, /exists already, with other settings: its isolation is bindings/)
    t.match((await daemon.cli('network', 'create', 'Not A Name')).code, 2)
    t.match((await daemon.cli('network', 'create', 'x', '--subnet', '10.0.0.0/99')).code, /[12]/)
  }
  await using daemon = await startDaemon(directories)
  const listed = await daemon.cli('network', 'ls')
  t.match(listed.stdout, /^kept .*bindings/m)
  t.match(listed.stdout, /^default .*network/m)
  const inspected = JSON.parse((await daemon.cli('network', 'inspect', 'kept')).stdout)
  t.match(inspected, { apiVersion: 'v1', network: { name: 'kept', gateway: /^10\./, hostRoute: 'yes' } })
  t.equal((await daemon.cli('network', 'inspect', 'none')).code, 3)
  {
    await using moorage = await connect({ host: daemon.host, network: 'kept' })
    const redis = moorage.container().from(redisImage).withExposedPort(6379).withExec(args)
    await using _running = await redis.asService().start()
    const refused = await daemon.cli('network', 'rm', 'kept')
    t.equal(refused.code, 1)
    t.match(refused.stderr, /in use: .+ is ready/, 'a message says what uses it (E05)')
    await redis.asService().stop({ kill: true })
  }
  const removed = await daemon.cli('network', 'rm', 'kept')
  t.equal(removed.code, 0, removed.stderr)
  t.notMatch((await daemon.cli('network', 'ls', '-q')).stdout, 'kept')
  t.equal((await daemon.cli('network', 'rm', 'kept')).code, 3)
  t.equal((await daemon.cli('network', 'rm', 'default')).code, 2)
})

t.test('--isolation bindings and --ipv6: only who is bound resolves a service, and reaches it', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories, '--isolation', 'bindings', '--ipv6')
  await using moorage = await daemon.connect()
  const redis = moorage.container().from(redisImage).withExposedPort(6379).withExec(args)
  await using running = await redis.asService().start()
  const hostname = await redis.hostname()
  const [address = ''] = (await running.endpoint({ from: 'host' })).split(':')
  const ping = (host: string) => ['timeout', '5', 'redis-cli', '-h', host, 'ping']
  const client = moorage.container().from(redisImage)
  const bound = client.withServiceBinding('db', redis)
  t.equal(await bound.withExec(ping('db')).stdout(), 'PONG\n')
  t.equal(await bound.withExec(ping(hostname)).stdout(), 'PONG\n', 'by its hostname too')
  const said = async (host: string) => {
    const tried = client.withExec(ping(host), { expect: 'any', noCache: true })
    return `${await tried.stdout()}${await tried.stderr()}`
  }
  t.match(await said(hostname), /not known|Name or service|resolve|NXDOMAIN|Could not connect/i)
  t.match(await said(address), /refused/i, 'at once')
  const zone = await daemon.cli('dns', 'zone')
  t.match(zone.stdout, /AAAA +fd/)
  t.equal(
    await bound.withExec(['sh', '-c', 'grep -c "^fd.* db$" /etc/hosts']).stdout(),
    '1\n',
    'the alias has its IPv6 address too',
  )

  const own = createServer((client) => client.on('error', () => {}).end('from the host\n'))
  own.listen(0, '127.0.0.1')
  await once(own, 'listening')
  t.teardown(() => own.close())
  const host = moorage.host.service([{ host: (own.address() as AddressInfo).port, service: 5000 }])
  await using atHost = await host.start()
  const [hostAddress = ''] = (await atHost.endpoint({ from: 'host' })).split(':')
  const hear = (from: typeof client, name: string) =>
    from.withExec(['sh', '-c', `nc -w 3 ${name} 5000 </dev/null`], { expect: 'any', noCache: true })
  t.equal(await hear(client.withServiceBinding('build-host', host), 'build-host').stdout(), 'from the host\n')
  t.equal(await hear(client, hostAddress).stdout(), '', 'ports of the host too are for those who are bound')
  t.equal(await hear(bound, hostAddress).stdout(), '', 'to them')
})
