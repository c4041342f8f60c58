import { readFileSync } from 'node:fs'
import t from 'tap'
import { ownDirectories, redisImage, startDaemon, until } from './own-daemon.ts'

t.setTimeout(240_000)

t.test('one daemon for many questions', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories, '--grace', '300ms')
  await using moorage = await daemon.connect()
  const server = ['redis-server', '--save', '', '--protected-mode', 'no', '--dir', '/tmp']
  const redis = moorage.container().from(redisImage).withExposedPort(6379).withExec(server)
  const client = moorage.container().from(redisImage).withServiceBinding('redis-srv', redis)
  const ask = (...args: string[]) =>
    client.withExec(['redis-cli', '-h', 'redis-srv', ...args], { noCache: true }).stdout()

  await t.test('a hundred clients at once share one Redis', async (t) => {
    const shared = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        client
          .withEnvVariable('CLIENT', String(i))
          .withExec(['redis-cli', '-h', 'redis-srv', 'incr', 'clients'])
          .stdout(),
      ),
    )
    t.same(
      shared.map(Number).sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i + 1),
      'each counted in the same server',
    )
  })

  await t.test('an alias and the hostname follow a service that restarts at another address', async (t) => {
    await using running = await redis.asService().start()
    const label = (await redis.hostname()).split('.')[0] ?? ''
    const before = (await moorage.status()).services.find((row) => row.label === label)?.address
    const watching = client
      .withExec(
        [
          'sh',
          '-c',
          'i=0; while [ $i -lt 200 ]; do redis-cli -h redis-srv set last $i; grep redis-srv /etc/hosts; i=$((i+1)); usleep 20000; done',
        ],
        { noCache: true, expect: 'any' },
      )
      .stdout()
    await until('the watcher runs', async () => (await ask('get', 'last')).trim() !== '')
    await running.restart()
    const after = (await moorage.status()).services.find((row) => row.label === label)?.address
    t.not(after, before, 'the address is another one')
    const seen = await watching
    t.match(seen, String(before))
    t.match(seen, String(after))
    t.equal((await ask('get', 'last')).trim(), '199', 'its last word went to the new one')
  })

  await t.test('a cached answer starts no service, and says its age', async (t) => {
    const once = client.withEnvVariable('ONCE', 'yes').withExec(['redis-cli', '-h', 'redis-srv', 'ping'])
    t.equal((await once.stdout()).trim(), 'PONG')
    await until('the service stopped', async () =>
      (await moorage.status()).services.every((row) => row.state === 'stopped'),
    )
    t.equal((await once.stdout()).trim(), 'PONG')
    t.ok(
      (await moorage.status()).services.every((row) => row.state === 'stopped'),
      'still no service runs',
    )
  })

  await t.test('execs chain, and an output is what its own step wrote', async (t) => {
    const chain = moorage
      .container()
      .from(redisImage)
      .withExec(['sh', '-c', 'echo one > /first'])
      .withExec(['sh', '-c', 'cat /first; echo two > /second'])
      .withExec(['sh', '-c', 'cat /first /second'])
    t.equal(await chain.stdout(), 'one\ntwo\n')
  })

  await t.test('names of the outside go to the host’s resolvers, own names never', async (t) => {
    const own = await daemon.cli('dns', 'query', 'nothing.moorage.internal', '--json')
    t.match(own.stdout, 'NXDOMAIN')
  })

  await t.test('the hosts file and resolv.conf are as promised', async (t) => {
    const files = await client.withExec(['sh', '-c', 'cat /etc/hosts /etc/resolv.conf; hostname']).stdout()
    t.match(files, /127\.0\.0\.1 localhost/)
    t.match(files, /\d+\.\d+\.\d+\.\d+ redis-srv/)
    t.match(files, /nameserver \d+\.\d+\.\d+\.1\noptions ndots:0\n/)
    t.notMatch(files, 'search')
  })

  await t.test('status, ps, dns zone and logs tell what goes on', async (t) => {
    await using _running = await redis.asService().start()
    const status = await daemon.cli('status')
    t.equal(status.code, 0, status.stderr)
    t.match(status.stdout, 'ready')
    t.match(status.stdout, '6379/tcp')
    const zone = await daemon.cli('dns', 'zone')
    t.match(zone.stdout, await redis.hostname())
    const rows = JSON.parse((await daemon.cli('ps', '--json')).stdout) as {
      services: { id: string; state: string }[]
    }
    const id = rows.services.find((row) => row.state === 'ready')?.id ?? ''
    const logs = await daemon.cli('logs', id)
    t.match(logs.stdout, 'Ready to accept connections')
  })

  t.match(
    readFileSync('/proc/self/mounts', 'utf8'),
    daemon.runtimeDirectory,
    'the network has a name while it lives',
  )
})
