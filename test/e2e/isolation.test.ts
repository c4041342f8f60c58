import t from 'tap'
import { connect } from '../../src/index.ts'
import { ownDirectories, redisImage, startDaemon } from './own-daemon.ts'

t.setTimeout(240_000)

t.test(
  'a container reaches its network by name, but not the host, the metadata address or another network',
  async (t) => {
    using directories = ownDirectories()
    await using daemon = await startDaemon(directories)
    await using one = await connect({ host: daemon.host, network: 'one' })
    await using two = await connect({ host: daemon.host, network: 'two' })
    const redis = one
      .container()
      .from(redisImage)
      .withExposedPort(6379)
      .withExec(['redis-server', '--save', '', '--protected-mode', 'no', '--dir', '/tmp'])
    await using running = await redis.asService().start()
    const hostname = await redis.hostname()
    const [address = ''] = (await running.endpoint({ from: 'host' })).split(':')
    const ping = async (from: typeof one, host: string, port = 6379) => {
      const args = ['timeout', '5', 'redis-cli', '-h', host, '-p', String(port), 'ping']
      const container = from.container().from(redisImage).withExec(args, { noCache: true, expect: 'any' })
      return `${await container.stdout()}${await container.stderr()}`
    }
    t.match(await ping(one, hostname), 'PONG', 'unbound, by its hostname, within the network')
    t.match(await ping(one, address), 'PONG')
    t.notMatch(await ping(two, hostname), 'PONG', 'the name means nothing in another network')
    t.notMatch(await ping(two, address), 'PONG', 'nor does the address lead there')
    t.notMatch(await ping(one, '169.254.169.254', 80), 'PONG')
    t.match(await ping(one, '169.254.169.254', 80), /refused|Could not connect|unreachable|No route/i)
    const { networks } = await one.status()
    const gateway = networks.find(({ name }) => name === 'one')?.gateway ?? ''
    t.match(
      await ping(one, gateway, 22),
      /refused|Could not connect|unreachable|No route/i,
      'only DNS is at the gateway',
    )
  },
)
