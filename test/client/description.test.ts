import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { definitionOf } from '../../src/client/graph/graph.ts'
import { HostDirectory } from '../../src/client/graph/host-directory.ts'
import { CacheVolume, Container, Directory, Moorage, type Service } from '../../src/client/index.ts'
import type { Session } from '../../src/client/session/session.ts'
import type { Definition, ExecOperation, Operation } from '../../src/definition/index.ts'
import { removeTree } from '../remove-tree.ts'

// A description makes no call: any use of this session fails.
const session = new Proxy({} as Session, {
  get: (_, name) => {
    throw new Error(`describing used the session's ${String(name)}`)
  },
})
const container = () => new Container(session)
const redis = () => container().from('redis:7')
const described = (one: Container | Service): Definition => definitionOf(one.vertex)
const directoryAt = (path: string) => new Directory(session, new HostDirectory(path))
const image: Operation = { op: 'image', ref: 'redis:7' }
const exec = (fields: Partial<ExecOperation> = {}): ExecOperation => ({ op: 'exec', input: 0, ...fields })

t.test('a description is the operations that it says', async (t) => {
  const volume = new CacheVolume('data')
  const cases: [string, Container | Service, Operation[]][] = [
    ['an image', redis(), [image, exec()]],
    ['nothing', container(), [{ op: 'scratch' }, exec()]],
    ['pull', container().from('redis:7', { pull: 'always' }), [{ ...image, pull: 'always' }, exec()]],
    ['a command', redis().withExec(['a', 'b']), [image, exec({ args: ['a', 'b'] })]],
    [
      'its options',
      redis().withExec(['a'], { useEntrypoint: true, stdin: 'in', expect: [0, 3], noCache: true }),
      [image, exec({ args: ['a'], useEntrypoint: true, stdin: 'in', expect: [0, 3], noCache: true })],
    ],
    [
      'a chain',
      redis().withExec(['a']).withExec(['b']),
      [image, exec({ args: ['a'] }), exec({ args: ['b'], input: 1 })],
    ],
    [
      'entrypoint and command',
      redis().withEntrypoint(['e']).withDefaultArgs(['d']),
      [image, exec({ entrypoint: ['e'], defaultArgs: ['d'] })],
    ],
    [
      'variables, in their order',
      redis().withEnvVariable('A', '1').withoutEnvVariable('B').withEnvVariable('A', '2'),
      [
        image,
        exec({
          env: [
            ['A', '1'],
            ['B', null],
            ['A', '2'],
          ],
        }),
      ],
    ],
    [
      'user, directory and hostname',
      redis().withUser('7').withWorkdir('/w').withHostname('db'),
      [image, exec({ user: '7', workdir: '/w', hostname: 'db' })],
    ],
    [
      'a volume',
      redis().withMountedCache('/data', volume).withExec(['a']),
      [
        image,
        { op: 'cacheVolume', name: 'data' },
        exec({ args: ['a'], mounts: [{ type: 'cache', path: '/data', volume: 1, sharing: 'shared' }] }),
      ],
    ],
    [
      'a volume at a path that had another',
      redis().withMountedCache('/data', volume).withMountedCache('/data', new CacheVolume('other')),
      [
        image,
        { op: 'cacheVolume', name: 'other' },
        exec({ mounts: [{ type: 'cache', path: '/data', volume: 1, sharing: 'shared' }] }),
      ],
    ],
    ['another image', redis().withExec(['a']).from('x'), [{ op: 'image', ref: 'x' }, exec()]],
  ]
  for (const [what, one, ops] of cases) {
    const { ops: got, root } = described(one)
    t.same(JSON.parse(JSON.stringify(got)), ops, what)
    t.equal(root, ops.length - 1, `${what}: the root`)
  }
})

t.test('an exec captures what stands before it; what comes after does not change it', async (t) => {
  const before = redis().withEnvVariable('A', '1').withExec(['a'])
  const after = before
    .withEnvVariable('B', '2')
    .withUser('7')
    .withWorkdir('/w')
    .withHostname('late')
    .withEntrypoint(['e'])
    .withMountedCache('/data', new CacheVolume('data'))
    .withServiceBinding('db', redis())
    .withExposedPort(1)
    .withStopSignal('SIGINT')
  t.same(described(after), described(before))
  t.same(described(after.withExec(['b'])).ops.at(-1), {
    op: 'exec',
    input: 1,
    env: [
      ['A', '1'],
      ['B', '2'],
    ],
    user: '7',
    workdir: '/w',
    hostname: 'late',
    entrypoint: ['e'],
    args: ['b'],
    mounts: [{ type: 'cache', path: '/data', volume: 2, sharing: 'shared' }],
    bindings: [{ alias: 'db', service: { exec: 3 } }],
  })
})

t.test('a description is a value: adding to it changes no other', async (t) => {
  const base = redis().withEnvVariable('A', '1')
  const was = JSON.stringify(described(base))
  const args = ['a']
  const one = base.withExec(args)
  args.push('b')
  base.withEnvVariable('B', '2').withExposedPort(1).withServiceBinding('x', redis())
  t.equal(JSON.stringify(described(base)), was)
  t.same(
    described(one).ops.at(-1),
    exec({ env: [['A', '1']], args: ['a'] }),
    'nor does changing what was given',
  )
})

t.test('what is equal is one operation, however often it was described', async (t) => {
  const server = () => redis().withExec(['redis-server'])
  const { ops } = described(
    redis().withServiceBinding('a', server()).withServiceBinding('b', server()).withExec(['test']),
  )
  t.equal(ops.length, 3)
  t.same((ops[2] as ExecOperation).bindings, [
    { alias: 'a', service: { exec: 1 } },
    { alias: 'b', service: { exec: 1 } },
  ])
})

t.test('services that share services make a graph, not a tree', async (t) => {
  // Each service binds the one before twice: a tree of them would have 2^40 operations.
  let service = redis().withExec(['0'])
  for (let i = 1; i <= 40; i++) {
    service = redis()
      .withServiceBinding('a', service)
      .withServiceBinding('b', service)
      .withExec([String(i)])
  }
  t.equal(described(service).ops.length, 42)
})

t.test('a chain may be thousands of steps long', async (t) => {
  let chain = redis()
  for (let i = 0; i < 9_000; i++) chain = chain.withExec([String(i)])
  t.equal(described(chain).ops.length, 9_001)
})

t.test('inputs come before what uses them', async (t) => {
  const db = redis().withExec(['db'])
  const app = redis().withExec(['build']).withServiceBinding('db', db).withExec(['app'])
  const { ops, root } = described(
    redis().withServiceBinding('app', app).withServiceBinding('db', db).withExec(['test']),
  )
  t.equal(root, ops.length - 1)
  for (const [index, op] of ops.entries()) {
    if (op.op !== 'exec') continue
    for (const input of [op.input, ...(op.bindings ?? []).map(({ service }) => service.exec)])
      t.ok(input < index, `${input} < ${index}`)
  }
})

t.test(
  'as a service: the last exec, or other arguments on the final state, or the image’s own',
  async (t) => {
    const base = redis().withExec(['build']).withExec(['serve'])
    t.same(described(base.asService()), described(base))
    t.same(described(base.asService({ args: ['x'] })).ops.slice(2), [
      exec({ input: 1, args: ['serve'] }),
      exec({ input: 2, args: ['x'] }),
    ])
    t.same(
      described(redis().asService({ args: ['x'], useEntrypoint: true })).ops[1],
      exec({ args: ['x'], useEntrypoint: true }),
    )
    t.same(described(redis().asService()).ops, [image, exec()])
    t.same(described(base.asService({ instance: '2' })).ops.slice(1), [
      exec({ args: ['build'] }),
      exec({ input: 1, args: ['serve'], instance: '2' }),
    ])
  },
)

t.test('how a service is run travels beside its exec, never in it', async (t) => {
  const service = redis()
    .withExec(['serve'])
    .withExposedPort(6379, { description: 'redis' })
    .withExposedPort(80, { check: 'none' })
    .withStopSignal('SIGINT')
    .withHealthcheck('none')
    .asService({ grace: '5s', startTimeout: '1m', stopTimeout: 250 })
  const options = {
    ports: [
      { port: 6379, protocol: 'tcp', description: 'redis' },
      { port: 80, protocol: 'tcp', check: 'none' },
    ],
    healthcheck: 'none',
    stopSignal: 'SIGINT',
    grace: 5_000,
    startTimeout: 60_000,
    stopTimeout: 250,
  }
  t.same(service.options, options)
  t.same(described(service), described(redis().withExec(['serve'])))
  t.same(
    (described(redis().withServiceBinding('db', service).withExec(['x'])).ops[2] as ExecOperation).bindings,
    [{ alias: 'db', service: { exec: 1, ...options } }],
  )
})

t.test('a port may be taken back, and declared anew', async (t) => {
  const ports = (one: Container) => one.asService().options.ports
  const two = redis().withExposedPort(1).withExposedPort(2)
  t.same(ports(two.withoutExposedPort(1)), [{ port: 2, protocol: 'tcp' }])
  t.same(ports(two.withoutExposedPort(1).withoutExposedPort(2)), undefined)
  t.same(ports(two.withExposedPort(1, { check: 'none' })), [
    { port: 2, protocol: 'tcp' },
    { port: 1, protocol: 'tcp', check: 'none' },
  ])
})

t.test('one alias means one service', async (t) => {
  const bound = redis().withServiceBinding('db', redis().withExec(['a']))
  const twice = { code: 'ALIAS_TWICE', details: { alias: 'db' } }
  t.throws(() => bound.withServiceBinding('db', redis().withExec(['b'])), twice)
  t.throws(
    () => bound.withServiceBinding('DB', redis().withExec(['b'])),
    { code: 'ALIAS_TWICE' },
    'names have no case',
  )
  t.throws(() => bound.withServiceBinding('db', redis().withExec(['a']).asService({ instance: '2' })), twice)
  const again = bound
    .withServiceBinding('db', redis().withExec(['a']).asService({ grace: 0 }))
    .withExec(['x'])
  t.same(
    (described(again).ops.at(-1) as ExecOperation).bindings,
    [{ alias: 'db', service: { exec: 1, grace: 0 } }],
    'the same service again: the last options count',
  )
})

t.test('two directories are two services, whether they were read or not', async (t) => {
  const rootfs = (path: string) => container().withRootfs(directoryAt(path)).withExec(['serve'])
  const path = mkdtempSync(join(tmpdir(), 'moorage-describe-'))
  t.teardown(() => removeTree(path))
  writeFileSync(join(path, 'x'), '')
  const read = directoryAt(path)
  const bound = redis().withServiceBinding('db', container().withRootfs(read).withExec(['serve']))
  t.throws(() => bound.withServiceBinding('db', rootfs('/other')), { code: 'ALIAS_TWICE' })
  await read.digest()
  t.throws(() => bound.withServiceBinding('db', rootfs('/other')), { code: 'ALIAS_TWICE' })
  t.doesNotThrow(() => bound.withServiceBinding('db', rootfs(`${path}/`)), 'the same one, unread')
})

t.test('a mistake is told where it is written', async (t) => {
  const option = { code: 'INVALID_OPTION' }
  const mistakes: [string, () => unknown, object][] = [
    [
      'alias',
      () => redis().withServiceBinding('a b', redis()),
      { code: 'INVALID_ALIAS', details: { alias: 'a b' } },
    ],
    ['localhost', () => redis().withServiceBinding('localhost', redis()), { code: 'INVALID_ALIAS' }],
    ['hostname', () => redis().withHostname('a.b'), option],
    ['port 0', () => redis().withExposedPort(0), option],
    ['port 65536', () => redis().withExposedPort(65_536), option],
    ['port 1.5', () => redis().withExposedPort(1.5), option],
    ['variable', () => redis().withEnvVariable('A=B', '1'), option],
    ['no variable', () => redis().withoutEnvVariable(''), option],
    ['workdir', () => redis().withWorkdir('data'), option],
    ['a way out', () => redis().withWorkdir('/data/../etc'), option],
    ['mount', () => redis().withMountedCache('data', new CacheVolume('x')), option],
    ['a mount at the root (F11c)', () => redis().withMountedTemp('/'), { ...option, message: /withRootfs/ }],
    ['the root by another name', () => redis().withMountedCache('//./', new CacheVolume('x')), option],
    ['volume', () => new CacheVolume('../x'), option],
    [
      'signal (L10c)',
      () => redis().withStopSignal('SIGNOPE'),
      { ...option, message: /"SIGNOPE".*no signal of Linux/ },
    ],
    ['number of a signal', () => redis().withStopSignal('65'), option],
    ['grace', () => redis().asService({ grace: 'soon' }), { ...option, details: { option: 'grace' } }],
    [
      'start timeout',
      () => redis().asService({ startTimeout: -1 }),
      { ...option, details: { option: 'startTimeout' } },
    ],
  ]
  for (const [what, make, error] of mistakes) t.throws(make, error as Error, what)
})

t.test('what the contract names and this version lacks says so', async (t) => {
  const one = redis()
  const names = ['withMountedSecret', 'withSecretVariable'] as const
  for (const name of names)
    t.throws(() => one[name]('x'), { code: 'NOT_YET', details: { what: new RegExp(name) } }, name)
})

t.test('ports of the host are described as a service', async (t) => {
  const moorage = new Moorage(session, async () => {})
  const host = moorage.host.service([5432, { host: 53, service: 5353, protocol: 'udp' }])
  t.same(host.options.ports, [
    { port: 5432, protocol: 'tcp' },
    { port: 5353, protocol: 'udp', check: 'none' },
  ])
  t.same(definitionOf(host.vertex).ops, [
    {
      op: 'hostService',
      ports: [
        { host: 5432, service: 5432, protocol: 'tcp' },
        { host: 53, service: 5353, protocol: 'udp' },
      ],
    },
  ])
  for (const wrong of [[], [0], [70_000], [1.5], [80, { host: 81, service: 80 }]])
    t.throws(() => moorage.host.service(wrong), { code: 'INVALID_OPTION' })
})

t.test('health checks are described as they travel, and refused where they mean nothing', async (t) => {
  const options = (container: Container) => container.asService().options
  t.strictSame(
    options(
      redis()
        .withExposedPort(8080, { check: { http: { path: '/health', status: 204 }, timeout: '2s' } })
        .withExposedPort(53, { protocol: 'udp' })
        .withHealthcheck({ exec: ['redis-cli', 'ping'], interval: 50, retries: 3 })
        .withHealthcheck({ log: /ready/i })
        .withHealthcheck({ http: { path: '/', port: 81 }, startPeriod: '1s' }),
    ),
    {
      ports: [
        { port: 8080, protocol: 'tcp', check: { timeout: 2_000, http: { path: '/health', status: 204 } } },
        { port: 53, protocol: 'udp' },
      ],
      checks: [
        { interval: 50, retries: 3, exec: ['redis-cli', 'ping'] },
        { log: { pattern: 'ready', flags: 'i' } },
        { startPeriod: 1_000, http: { path: '/', port: 81 } },
      ],
    },
  )
  t.match(options(redis().withHealthcheck({ tcp: 1 }).withHealthcheck('none')), { healthcheck: 'none' })
  t.notOk(options(redis().withHealthcheck({ tcp: 1 }).withHealthcheck('none')).checks, 'none takes all away')
  t.match(options(redis().withHealthcheck('none').withHealthcheck({ tcp: 1 })), {
    healthcheck: 'none',
    checks: [{ tcp: 1 }],
  })
  for (const check of [
    { tcp: 0 },
    { http: { path: 'health' } },
    { exec: [] },
    { log: '(' },
    { tcp: 1, retries: 0 },
    { tcp: 1, timeout: 'soon' },
    {},
  ]) {
    t.throws(() => redis().withHealthcheck(check as never), { code: 'INVALID_OPTION' }, JSON.stringify(check))
  }
  t.throws(() => redis().withExposedPort(53, { protocol: 'udp', check: { http: { path: '/' } } }), {
    code: 'INVALID_OPTION',
  })
})

t.test('resources are described in bytes and names, and what is none is refused', async (t) => {
  const resources = (container: Container) => container.withExec(['x']).vertex.fields.resources
  t.strictSame(
    resources(
      redis()
        .withResources({ memory: '64m', cpus: 0.5, pids: 20, shmSize: '1MiB', init: true })
        .withResources({
          ulimits: { nofile: 64, core: { soft: 0, hard: 10 } },
          capabilities: { add: ['cap_net_admin'], drop: ['ALL'] },
        }),
    ),
    {
      memory: 67_108_864,
      cpus: 0.5,
      pids: 20,
      shmSize: 1_048_576,
      init: true,
      ulimits: { nofile: 64, core: { soft: 0, hard: 10 } },
      capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
    },
  )
  for (const wrong of [
    { memory: 'much' },
    { memory: 1_000 },
    { cpus: 0 },
    { pids: 1.5 },
    { ulimits: { files: 1 } },
    { ulimits: { nofile: { soft: 2, hard: 1 } } },
    { capabilities: { add: ['ALL'] } },
    { capabilities: { drop: ['FLY'] } },
  ]) {
    t.throws(() => redis().withResources(wrong), { code: 'INVALID_OPTION' }, JSON.stringify(wrong))
  }
})

t.test('resources are added to those that were given before', async (t) => {
  type Options = Parameters<Container['withResources']>[0]
  const cases: [what: string, calls: Options[], resources: object][] = [
    ['different fields', [{ memory: '64m' }, { pids: 20 }], { memory: 67_108_864, pids: 20 }],
    ['the same field: the last one counts', [{ pids: 20, init: true }, { pids: 7 }], { pids: 7, init: true }],
    [
      'different ulimits',
      [{ ulimits: { nofile: 64 } }, { ulimits: { core: 0 } }],
      { ulimits: { nofile: 64, core: 0 } },
    ],
    [
      'the same ulimit',
      [{ ulimits: { nofile: { soft: 1, hard: 2 }, core: 0 } }, { ulimits: { nofile: 64 } }],
      { ulimits: { nofile: 64, core: 0 } },
    ],
    [
      'different capabilities',
      [{ capabilities: { add: ['NET_ADMIN'] } }, { capabilities: { add: ['SYS_TIME'], drop: ['CHOWN'] } }],
      { capabilities: { add: ['NET_ADMIN', 'SYS_TIME'], drop: ['CHOWN'] } },
    ],
    [
      'the same capability twice',
      [{ capabilities: { add: ['NET_ADMIN', 'CHOWN'] } }, { capabilities: { add: ['cap_net_admin'] } }],
      { capabilities: { add: ['CHOWN', 'NET_ADMIN'] } },
    ],
    [
      'added, then dropped',
      [{ capabilities: { add: ['NET_ADMIN', 'SYS_TIME'] } }, { capabilities: { drop: ['NET_ADMIN'] } }],
      { capabilities: { add: ['SYS_TIME'], drop: ['NET_ADMIN'] } },
    ],
    [
      'dropped, then added',
      [{ capabilities: { drop: ['CHOWN'] } }, { capabilities: { add: ['CHOWN'] } }],
      { capabilities: { add: ['CHOWN'] } },
    ],
    [
      'all dropped, then one added',
      [{ capabilities: { drop: ['ALL'] } }, { capabilities: { add: ['CHOWN'] } }],
      { capabilities: { add: ['CHOWN'], drop: ['ALL'] } },
    ],
    [
      'added, then all dropped',
      [
        { capabilities: { add: ['CHOWN'], drop: ['KILL'] } },
        { capabilities: { drop: ['ALL'], add: ['KILL'] } },
      ],
      { capabilities: { add: ['KILL'], drop: ['ALL'] } },
    ],
    [
      'nothing more said of them',
      [{ ulimits: { core: 0 }, capabilities: { add: ['CHOWN'] } }, { pids: 7 }],
      { ulimits: { core: 0 }, capabilities: { add: ['CHOWN'] }, pids: 7 },
    ],
  ]
  for (const [what, calls, resources] of cases) {
    const described = calls.reduce((one, options) => one.withResources(options), redis())
    t.strictSame(described.withExec(['x']).vertex.fields.resources, resources, what)
  }
  const base = redis().withResources({ ulimits: { core: 0 }, capabilities: { add: ['CHOWN'] } })
  base.withResources({ ulimits: { nofile: 1 }, capabilities: { add: ['KILL'] } })
  t.strictSame(
    base.withExec(['x']).vertex.fields.resources,
    { ulimits: { core: 0 }, capabilities: { add: ['CHOWN'] } },
    'the first description stays as it was',
  )
})

t.test('a stop signal may be written as an image writes it (L10c)', async (t) => {
  const signals = {
    QUIT: 'SIGQUIT',
    'SIGRTMIN+3': 'SIGRTMIN+3',
    '37': 'SIGRTMIN+3',
    'rtmax-1': 'SIGRTMAX-1',
    '9': 'SIGKILL',
  }
  for (const [written, sent] of Object.entries(signals)) {
    t.equal(redis().withStopSignal(written).asService().options.stopSignal, sent)
  }
})
