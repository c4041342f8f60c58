import t from 'tap'
import type { Check, Container, HealthError } from '../../src/index.ts'
import { ownDirectories, startDaemon } from './own-daemon.ts'
import { addProgram, ownRootfs, udpServer } from './own-rootfs.ts'

t.setTimeout(120_000)

t.test('health checks of real servers', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  addProgram(rootfs.path, '/usr/bin/perl')
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage = await daemon.connect()
  // As its first process, a shell ignores SIGTERM.
  const box = moorage.container().withRootfs(moorage.host.directory(rootfs.path)).withStopSignal('SIGKILL')
  const sh = (container: Container, script: string) => container.withExec(['sh', '-c', script])
  const http = (status: string, delay = 0) =>
    `sleep ${delay}; while :; do printf 'HTTP/1.1 ${status}\\r\\nContent-Length: 0\\r\\n\\r\\n' | nc -l -p 80; done`

  const start = async (container: Container, settings: { startTimeout?: string } = {}) => {
    await using _running = await container.asService({ startTimeout: '5s', ...settings }).start()
  }
  const failure = async (container: Container, startTimeout = '1500ms') => {
    const error = await start(container, { startTimeout }).then(
      () => undefined,
      (thrown) => thrown as HealthError,
    )
    if (error === undefined) throw new Error('it is healthy')
    return error
  }

  await t.test('tcp: it waits for a port that opens late', async (t) => {
    await start(sh(box.withExposedPort(80), 'sleep 0.4; nc -l -p 80 -e true; sleep 60'))
    t.pass('healthy')
  })

  await t.test('tcp: a server that listens on 127.0.0.1 only is told as that', async (t) => {
    const error = await failure(sh(box.withExposedPort(80), 'echo hello; httpd -f -p 127.0.0.1:80'))
    t.match(error, {
      code: 'HEALTH_TIMEOUT',
      message:
        /80\/tcp: refused: it listens on 127\.0\.0\.1 only; let it listen on 0\.0\.0\.0 \(\d+ checks\)/,
      log: 'hello',
    })
  })

  await t.test('tcp: what it listens on instead is told, too', async (t) => {
    const error = await failure(sh(box.withExposedPort(80), 'nc -l -p 8080; sleep 60'))
    t.match(error, { message: /80\/tcp: refused: it listens on 8080 instead/ })
  })

  await t.test('udp: it waits until the socket is bound', async (t) => {
    const udp = box.withExposedPort(53, { protocol: 'udp' })
    await start(udp.withExec(['sh', '-c', 'sleep 0.4; exec "$@"', 'sh', ...udpServer('0, 0, 0, 0', 53)]))
    t.match(await failure(udp.withExec(udpServer('0, 0, 0, 0', 54))), {
      message: /53\/udp: not bound: it listens on 54/,
    })
    t.match(await failure(udp.withExec(udpServer('127, 0, 0, 1', 53))), {
      message: /53\/udp: not bound: it listens on 127\.0\.0\.1 only/,
    })
  })

  await t.test('http: the status counts, not that the port is open', async (t) => {
    const asked = (check: { path: string; status?: number }) =>
      box.withExposedPort(80, { check: { http: check } })
    await start(sh(asked({ path: '/health' }), http('204 No Content', 0.3)))
    await start(sh(asked({ path: '/', status: 503 }), http('503 Busy')))
    t.match(await failure(sh(asked({ path: '/health' }), http('503 Busy'))), {
      message: /80\/http \/health: answered 503/,
    })
    t.match(await failure(sh(asked({ path: '/' }), 'while :; do echo nonsense | nc -l -p 80; done')), {
      message: /80\/http \/: no HTTP answer: /,
    })
    await start(sh(box.withHealthcheck({ http: { path: '/', port: 80 } }), http('200 OK')))
  })

  await t.test('exec: a command in the container exits with 0', async (t) => {
    const check: Check = { exec: ['sh', '-c', 'echo looking >&2; test -e /tmp/ready'] }
    await start(sh(box.withHealthcheck(check), 'sleep 0.4; touch /tmp/ready; sleep 60'))
    t.match(await failure(sh(box.withHealthcheck(check), 'sleep 60')), {
      message: /exec sh -c .*: exit code 1: looking/,
    })
    const hung = await failure(sh(box.withHealthcheck({ exec: ['sleep', '50'], timeout: 200 }), 'sleep 60'))
    t.match(hung, { message: /exec sleep 50: no answer within 200 ms/ })
    t.match(await failure(sh(box.withHealthcheck({ exec: ['nothing'] }), 'sleep 60')), {
      message: /the command "nothing" does not exist/,
    })
  })

  await t.test('log: a line matches, on either stream, also one without an end', async (t) => {
    const ready = box.withHealthcheck({ log: /^ready to accept (\d+)$/ })
    await start(sh(ready, 'echo begin; sleep 0.3; echo ready to accept 5 >&2; sleep 60'))
    t.match(await failure(sh(ready, 'echo one; echo two; sleep 60')), { message: /none of \d lines matches/ })
    const long = sh(box.withHealthcheck({ log: 'x{100}' }), 'yes x | tr -d "\\n" | head -c 300000; sleep 60')
    await start(long)
  })

  await t.test(
    'log: a pattern that would take years is refused at once, and the daemon goes on',
    async (t) => {
      const began = performance.now()
      const evil = box.withHealthcheck({ log: '^(a+)+$' })
      const starting = failure(
        sh(evil, 'echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!; sleep 60'),
        '30s',
      )
      const answers: number[] = []
      let over = false
      void starting.finally(() => {
        over = true
      })
      while (!over) {
        const asked = performance.now()
        await moorage.status()
        answers.push(performance.now() - asked)
      }
      t.match(await starting, { code: 'HEALTH_FAILED', message: /the pattern takes too long on one line/ })
      t.ok(performance.now() - began < 10_000, 'long before its deadline')
      t.ok(Math.max(...answers) < 1_000, `the daemon answered meanwhile, within ${Math.max(...answers)} ms`)
    },
  )

  await t.test('a check may fail for good before the deadline', async (t) => {
    const check: Check = { tcp: 80, startPeriod: 100, retries: 2, interval: 100 }
    const began = performance.now()
    t.match(await failure(sh(box.withHealthcheck(check), 'sleep 60'), '60s'), {
      code: 'HEALTH_FAILED',
      message: /not healthy: 80\/tcp: refused/,
    })
    t.ok(performance.now() - began < 20_000)
  })

  await t.test('none: a port that is not waited for, and nothing at all', async (t) => {
    await start(sh(box.withExposedPort(80, { check: 'none' }), 'sleep 60'))
    await start(sh(box.withExposedPort(80).withHealthcheck('none'), 'sleep 60'))
    t.pass('healthy')
  })

  await t.test('all that is missing is named, each with its last answer', async (t) => {
    const several = box
      .withExposedPort(80)
      .withExposedPort(81)
      .withHealthcheck({ exec: ['false'] })
    const { message } = await failure(sh(several, 'nc -l -p 81 -e cat; sleep 60'))
    t.match(message, /80\/tcp: refused.*, exec false: exit code 1/)
    t.notMatch(message, /81\/tcp/)
  })
})
