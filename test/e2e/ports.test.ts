/** The host as a user (F9): its ports lead to services, its processes find them, and containers reach its ports. */
import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { freePort } from '../free-port.ts'
import { ownDirectories, redisImage, run, startDaemon, until } from './own-daemon.ts'

t.setTimeout(240_000)

/** A Redis command over a plain connection, and what the server says. */
async function redis(endpoint: string, command: string): Promise<string> {
  const [host, port] = [endpoint.slice(0, endpoint.lastIndexOf(':')), endpoint.split(':').at(-1)]
  const socket = dial(Number(port), host)
  socket.end(`${command}\r\nQUIT\r\n`)
  return text(socket)
}

/**
 * Whether nobody listens on a port any more. Not at once: a process that the daemon is just starting has its sockets
 * until it has become another program.
 */
async function isRefused(port: number): Promise<boolean> {
  const socket = dial(port, '127.0.0.1')
  const code = await Promise.race([
    once(socket, 'connect').then(() => undefined),
    once(socket, 'error').then(([error]) => error.code),
  ]).catch((error) => error.code)
  socket.on('error', () => undefined).destroy()
  return code === 'ECONNREFUSED'
}

const args = ['redis-server', '--save', '', '--protected-mode', 'no', '--dir', '/tmp']

t.test('ports of the host', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories)
  await using moorage = await daemon.connect()
  const server = moorage.container().from(redisImage).withExposedPort(6379).withExec(args)
  const service = server.asService()

  await t.test(
    'up: a port that leads to the service, as long as the tunnel is open, through a restart',
    async (t) => {
      const tunnel = await service.up()
      const [port] = tunnel.ports
      t.match(port, { service: 6379, address: '127.0.0.1', protocol: 'tcp' })
      const endpoint = `127.0.0.1:${port?.host}`
      t.match(await redis(endpoint, 'SET a 1'), '+OK')
      const before = (await moorage.status()).services.find(({ state }) => state === 'ready')
      t.match(before?.clients, [/^session /], 'the tunnel holds it')
      await service.restart()
      const after = (await moorage.status()).services.find(({ state }) => state === 'ready')
      t.not(before?.address, after?.address)
      t.match(await redis(endpoint, 'PING'), '+PONG', 'at its new address')
      await t.rejects(service.up({ ports: [{ host: port?.host as number, service: 6379 }] }), {
        code: 'PORT_UNUSABLE',
        message: /EADDRINUSE/,
      })
      await tunnel.close()
      t.equal(await tunnel.closed, undefined)
      await until('nobody answers there', () => isRefused(port?.host as number))
    },
  )

  await t.test('up: when the service ends unasked, the tunnel says why', async (t) => {
    const short = moorage.container().from(redisImage).withExec(['sh', '-c', 'sleep 1; exit 7']).asService()
    await using tunnel = await short.up({ ports: [{ host: 0, service: 1 }] })
    t.match(await tunnel.closed, { code: 'SERVICE_EXITED', message: /exited with code 7/ })
  })

  await t.test(
    'a published port refuses until its service is healthy, and while it restarts (N15)',
    async (t) => {
      const late = moorage
        .container()
        .from(redisImage)
        .withExposedPort(6379)
        .withExec(['sh', '-c', 'sleep 2; exec "$@"', 'sh', ...args])
        .asService()
      const port = await freePort()
      const opening = late.up({ ports: [{ host: port, service: 6379 }] })
      const answers: string[] = []
      const watch = async (isOver: () => boolean) => {
        while (!isOver()) {
          answers.push(await redis(`127.0.0.1:${port}`, 'PING').catch((error) => error.code))
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
      let opened = false
      void opening.then(() => {
        opened = true
      })
      await watch(() => opened)
      await using tunnel = await opening
      t.ok(answers.length > 10, `${answers.length} attempts`)
      const early = answers.filter((answer) => !answer.startsWith('+PONG'))
      t.same(new Set(early), new Set(['ECONNREFUSED']), 'neither accepted nor reset')
      t.match(await redis(`127.0.0.1:${port}`, 'PING'), '+PONG')
      const [restart] = [late.restart()]
      let restarted = false
      void restart.then(() => {
        restarted = true
      })
      answers.length = 0
      await watch(() => restarted)
      await restart
      t.ok(answers.includes('ECONNREFUSED'), 'refused while it restarts')
      t.match(await redis(`127.0.0.1:${port}`, 'PING'), '+PONG', 'and open when it has')
      t.equal(tunnel.ports[0]?.host, port)
    },
  )

  await t.test('a service that fails leaves none of its ports open', async (t) => {
    const port = await freePort()
    const failing = moorage.container().from(redisImage).withExposedPort(6379).withExec(['false']).asService()
    await t.rejects(failing.up({ ports: [{ host: port, service: 6379 }] }))
    await until('it is refused', () => isRefused(port))
    await using tunnel = await service.up({ ports: [{ host: port, service: 6379 }] })
    t.match(await redis(`127.0.0.1:${tunnel.ports[0]?.host}`, 'PING'), '+PONG', 'it can be had again')
  })

  await t.test('up needs a port', async (t) => {
    const none = moorage.container().from(redisImage).withExec(args).asService()
    await t.rejects(none.up(), { code: 'NO_PORT' })
  })

  await t.test('start -p: ports for as long as the service is pinned', async (t) => {
    const started = await daemon.cli(
      'start',
      '--json',
      '-p',
      '0:6379',
      '--expose',
      '6379',
      redisImage,
      ...args,
    )
    t.equal(started.code, 0, started.stderr)
    const { service: row, ports } = JSON.parse(started.stdout)
    t.match(ports, [{ service: 6379, address: '127.0.0.1' }])
    const [{ host }] = ports
    t.match(await redis(`127.0.0.1:${host}`, 'PING'), '+PONG')
    const { services } = await moorage.status()
    const published = services.find(({ id }) => id === row.id)
    t.same(published?.ports, ['6379/tcp', `127.0.0.1:${host}->6379/tcp`])
    t.same(published?.hostPorts, [{ host, service: 6379, address: '127.0.0.1', protocol: 'tcp' }])
    t.match((await daemon.cli('ps')).stdout, `127.0.0.1:${host}->6379/tcp`)
    const again = await daemon.cli('start', '-p', `${host}:6379`, '--expose', '6379', redisImage, ...args)
    t.equal(again.code, 1)
    t.match(again.stderr, /EADDRINUSE/)
    const second = await daemon.cli('start', '--expose', '6379', redisImage, ...args)
    t.equal(second.code, 0, second.stderr)
    t.match(await redis(`127.0.0.1:${host}`, 'PING'), '+PONG', 'a start without ports leaves them')
    t.equal((await daemon.cli('stop', row.id)).code, 0)
    await until('nobody answers there', () => isRefused(host))
  })

  await t.test('run -p: a port while the container runs', async (t) => {
    // The container ends when somebody has connected: busybox' nc serves one.
    const running = daemon.cli(
      'run',
      '-p',
      '127.0.0.1:0:7000',
      redisImage,
      'sh',
      '-c',
      'echo hi | nc -l -p 7000',
    )
    let over = false
    void running.then(() => {
      over = true
    })
    let found: string[] = []
    // Bound by the daemon alone, at 127.0.0.1, while the run is going on.
    while (found.length === 0 && !over) {
      found = (await run('ss', ['-Htlnp'])).stdout
        .split('\n')
        .filter((line) => line.includes(`pid=${daemon.process.pid},`))
        .flatMap((line) => /127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? [])
    }
    t.equal(found.length, 1, 'one port of the daemon’s')
    t.match((await daemon.cli('ps', '-a')).stdout, `127.0.0.1:${found[0]}->7000/tcp`, 'ps shows it')
    let heard = ''
    while (heard === '') {
      const socket = dial(Number(found[0]), '127.0.0.1')
      heard = await text(socket).catch(() => '')
    }
    t.equal(heard, 'hi\n')
    const { code, stderr } = await running
    t.equal(code, 0)
    t.match(stderr, `127.0.0.1:${found[0]}->7000/tcp`, 'it was told')
    t.notMatch((await daemon.cli('ps', '-a')).stdout, '->7000/tcp', 'and is over')
  })

  await t.test('host.service: only who is bound reaches a port of the host', async (t) => {
    const own = createServer((client) => client.on('error', () => {}).end('from the host\n'))
    own.listen(0, '127.0.0.1')
    await once(own, 'listening')
    t.teardown(() => own.close())
    const { port } = own.address() as AddressInfo
    const host = moorage.host.service([{ host: port, service: 5000 }])
    const ask = ['sh', '-c', 'nc -w 3 build-host 5000 </dev/null']
    const bound = moorage.container().from(redisImage).withServiceBinding('build-host', host)
    t.equal(await bound.withExec(ask).stdout(), 'from the host\n')

    await using running = await host.start()
    const [address] = (await running.endpoint({ from: 'host' })).split(':')
    const unbound = moorage.container().from(redisImage)
    const tried = unbound.withExec(['sh', '-c', `nc -w 3 ${address} 5000 </dev/null`], {
      expect: 'any',
      noCache: true,
    })
    t.equal(await tried.stdout(), '', 'an unbound one hears nothing')
    const other = unbound.withServiceBinding('build-host', host)
    t.not(
      await other.withExec(['sh', '-c', 'nc -w 1 build-host 5001 </dev/null'], { expect: 'any' }).exitCode(),
      0,
    )
    t.throws(() => moorage.host.service([]), { code: 'INVALID_OPTION' })
    t.throws(() => moorage.host.service([70_000]), { code: 'INVALID_OPTION' })
  })

  await t.test('host.service: a port that nobody serves is waited for', async (t) => {
    const port = await freePort()
    const client = moorage
      .container()
      .from(redisImage)
      .withServiceBinding('db', moorage.host.service([port]))
      .withExec(['sh', '-c', `nc -w 3 db ${port} </dev/null`])
    const answer = client.stdout()
    const late = createServer((socket) => socket.on('error', () => {}).end('late'))
    late.listen(port, '127.0.0.1')
    t.teardown(() => late.close())
    t.equal(await answer, 'late')
  })
})

t.test('where the host has no route, an endpoint for the host is a tunnel', async (t) => {
  const subnet = '10.230.240.0/20'
  using first = ownDirectories()
  using second = ownDirectories()
  await using _other = await startDaemon(first, '--subnet', subnet)
  await using daemon = await startDaemon(second, '--subnet', subnet)
  await using moorage = await daemon.connect()
  const { networks } = await moorage.status()
  t.match(networks[0], { subnet, hostRoute: /leads to another network/ })
  const server = moorage.container().from(redisImage).withExposedPort(6379).withExec(args)
  await using running = await server.asService().start()
  const endpoint = await running.endpoint({ from: 'host' })
  t.match(endpoint, /^127\.0\.0\.1:\d+$/)
  t.match(await redis(endpoint, 'SET here yes'), '+OK')
  t.equal(await running.endpoint({ from: 'host' }), endpoint, 'the same each time')
  const { services } = await moorage.status()
  t.same(services[0]?.ports, ['6379/tcp', `${endpoint}->6379/tcp`])
  await running.restart()
  t.match(await redis(endpoint, 'PING'), '+PONG', 'it follows a restart')
})
