import { once } from 'node:events'
import t from 'tap'
import type { EvaluateRequest, StartRequest, StreamEvent } from '../../src/definition/index.ts'
import { runCommand, startCommand } from './command.ts'
import { type Answer, failure, fakeDaemon, logEvent, serviceRow } from './fake-daemon.ts'

const result = (exitCode: number, more: object = {}): StreamEvent => ({
  type: 'result',
  value: exitCode,
  exitCode,
  ...more,
})
const progress = (state: 'starting' | 'ready', time: number): StreamEvent => ({
  type: 'progress',
  seq: time,
  time,
  id: 'h1',
  kind: 'service',
  name: 'db',
  state,
  ...(state === 'starting' ? { detail: 'starting redis-server' } : {}),
})

async function run(answer: Answer, args: string[], stdin: string | Buffer = '') {
  await using daemon = await fakeDaemon({ 'POST evaluate': answer })
  const outcome = await runCommand(['run', ...args], { env: { MOORAGE_HOST: daemon.host }, stdin })
  return { ...outcome, asked: daemon.asked.map(({ body }) => body as EvaluateRequest) }
}

t.test('the container’s streams and its exit code come through; talk is on stderr', async (t) => {
  const binary = Buffer.from([0, 255, 10, 128])
  const events = [
    progress('starting', 1000),
    progress('starting', 1001),
    progress('ready', 1043),
    logEvent(binary),
    logEvent('warning\n', 'stderr'),
    result(7),
  ]
  const { code, stdout, stderr, asked } = await run({ events }, ['img', 'prog', '--json', '-q', '--', '-v'])
  t.equal(code, 7)
  t.equal(stdout, binary.toString())
  t.equal(
    stderr,
    'moorage: service db: starting redis-server\nmoorage: service db: ready after 43 ms\nwarning\n',
  )
  t.same(asked[0], {
    definition: {
      ops: [
        { op: 'image', ref: 'img' },
        {
          op: 'exec',
          input: 0,
          args: ['prog', '--json', '-q', '--', '-v'],
          useEntrypoint: true,
          expect: 'any',
          noCache: true,
        },
      ],
      root: 1,
    },
    output: 'exitCode',
    logs: true,
    own: true,
  })
})

t.test('with --cached an equal run’s result will do, and that is said', async (t) => {
  const { stderr, asked } = await run({ events: [result(0, { cachedAge: 300_000 })] }, ['--cached', 'img'])
  t.equal(asked[0]?.definition.ops[1] && 'noCache' in asked[0].definition.ops[1], false)
  t.equal(asked[0]?.own, undefined)
  t.equal(stderr, 'moorage: the result of a run 5m ago\n')
})

t.test('-i passes stdin on, beside the definition; with --cached, in it', async (t) => {
  await using daemon = await fakeDaemon({ 'POST evaluate': { events: [result(0)] } })
  const env = { MOORAGE_HOST: daemon.host }
  await runCommand(['run', '-i', 'img', 'cat'], { env, stdin: 'grüße\n' })
  t.match(daemon.asked[0], { input: 'grüße\n', body: { own: true } })
  t.notMatch(JSON.stringify(daemon.asked[0]?.body), 'stdin')
  await runCommand(['run', '-i', '--cached', 'img', 'cat'], { env, stdin: 'grüße\n' })
  t.match(daemon.asked[1]?.body, { definition: { ops: [{}, { stdin: 'grüße\n' }] } })
  const refused = await runCommand(['run', '-i', '--cached', 'img', 'cat'], {
    env,
    stdin: Buffer.from([0xff]),
  })
  t.match(refused, { code: 2, stderr: /standard input is not UTF-8/ })
  t.equal(daemon.asked.length, 2)
})

t.test('failures that are not the container’s exit with 125, but those that say which kind', async (t) => {
  for (const [answer, code] of [
    [failure('IMAGE_NOT_FOUND', { ref: 'x', reason: 'no' }), 125],
    [failure('HEALTH_TIMEOUT', { breadcrumbs: 'start db', timeout: '2 s', checks: '1/tcp' }), 125],
    [failure('COMMAND_NOT_EXECUTABLE', { command: 'x', image: 'i', reason: 'r' }), 126],
    [failure('COMMAND_NOT_FOUND', { command: 'x', image: 'i' }), 127],
    [failure('INVALID_IMAGE', { ref: 'x', reason: 'r' }), 2],
    [{ events: [] }, 125],
  ] as const) {
    const outcome = await run('events' in answer ? { events: [] } : answer, ['x'])
    t.equal(outcome.code, code, outcome.stderr)
    t.match(outcome.stderr, /^error: .*\nhint: /)
  }
  t.equal((await run({ events: [] }, ['-t', 'x'])).code, 2)
})

t.test('a service that was not healthy shows its last lines', async (t) => {
  const error = failure('SERVICE_EXITED', {
    breadcrumbs: 'start db',
    exitCode: 1,
    when: 'before it was healthy',
    log: 'starting\n\x1b[31mno space\n',
  }).error.toJSON()
  const { stderr } = await run({ events: [{ type: 'error', error }] }, ['x'])
  t.match(stderr, /^ {2}\| starting\n {2}\| \\x1b\[31mno space\nerror: start db: exited with code 1/)
})

t.test('--json tells everything in lines', async (t) => {
  const events = [progress('ready', 0), logEvent('a\nb'), result(3)]
  const { code, stdout, stderr } = await run({ events }, ['--json', 'x'])
  t.equal(code, 3)
  t.equal(stderr, '')
  const lines = stdout.trim().split('\n')
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      { apiVersion: 'v1', type: 'progress', time: '1970-01-01T00:00:00.000Z', state: 'ready' },
      { apiVersion: 'v1', type: 'log', line: 'a' },
      { apiVersion: 'v1', type: 'log', line: 'b' },
      { apiVersion: 'v1', type: 'result', exitCode: 3 },
    ],
  )
})

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  t.test(`${signal} ends the interest at once`, async (t) => {
    await using daemon = await fakeDaemon({ 'POST evaluate': { events: [logEvent('begun\n')], open: true } })
    const { child, outcome } = startCommand(['run', 'x'], { env: { MOORAGE_HOST: daemon.host } })
    if (child.stdout) await once(child.stdout, 'data')
    child.kill(signal)
    await daemon.left
    t.equal((await outcome).code, code)
  })
}

t.test('a daemon that dies meanwhile is told of', async (t) => {
  await using daemon = await fakeDaemon({
    'POST evaluate': { events: [logEvent('begun\n')], open: true },
    'GET services/a/logs': { events: [logEvent('begun\n')], open: true },
  })
  for (const [args, code] of [
    [['run', 'x'], 125],
    [['logs', '-f', 'a'], 5],
  ] as const) {
    const { child, outcome } = startCommand(args, { env: { MOORAGE_HOST: daemon.host } })
    if (child.stdout) await once(child.stdout, 'data')
    daemon.cut()
    const { code: exit, stderr } = await outcome
    t.equal(exit, code)
    t.match(stderr, /^error: no daemon answers at /)
  }
})

t.test('a reader that has enough ends it', async (t) => {
  const events = Array.from({ length: 200 }, () => logEvent(`${'x'.repeat(4000)}\n`))
  await using daemon = await fakeDaemon({ 'GET services/a/logs': { events, open: true } })
  const { child, exited } = startCommand(['logs', '-f', 'a'], { env: { MOORAGE_HOST: daemon.host } })
  child.stdout?.destroy()
  await daemon.left
  t.same(await exited, [141, null])
})

t.test('start keeps a service and says where it is', async (t) => {
  const service = serviceRow()
  const events = [progress('starting', 0), progress('ready', 5), { ...result(0), value: service.id, service }]
  await using daemon = await fakeDaemon({ 'POST services': { events } })
  const env = { MOORAGE_HOST: daemon.host }
  const args = ['start', '--expose', '6379', '--hostname', 'cache', '--network', 'ci']
  const { code, stdout, stderr } = await runCommand([...args, 'redis'], { env })
  t.equal(code, 0)
  t.equal(stdout, `${service.id}  ${service.hostname}\n`)
  t.equal(stderr, 'moorage: service db: starting redis-server\nmoorage: service db: ready after 5 ms\n')
  const expected: StartRequest = {
    definition: {
      ops: [
        { op: 'image', ref: 'redis' },
        { op: 'exec', input: 0, hostname: 'cache' },
      ],
      root: 1,
    },
    service: { ports: [{ port: 6379, protocol: 'tcp' }] },
    detach: true,
    network: 'ci',
  }
  t.same(daemon.asked[0]?.body, expected)
  t.equal((await runCommand(['start', '-q', 'redis'], { env })).stdout, `${service.id}\n`)
  t.match(JSON.parse((await runCommand(['start', '--json', 'redis'], { env })).stdout), {
    apiVersion: 'v1',
    service: { id: service.id },
  })
  t.equal((await runCommand(['start', '--for', 'soon', 'redis'], { env })).code, 2)
})
