import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import t from 'tap'
import { commands } from '../../src/cli/command-list.ts'
import { packageFile } from '../../src/package.ts'
import { type Outcome, runCommand, startCommand } from './command.ts'
import { statusDocument as canned, failure, fakeDaemon, logEvent, runRow, serviceRow } from './fake-daemon.ts'

t.jobs = 3

const grace = serviceRow({ id: 'g00000000000', name: 'pg', state: 'grace', stopsAt: Date.now() + 3_600_000 })
const failed = serviceRow({
  id: 'f00000000000',
  name: 'www',
  state: 'failed',
  exitCode: 42,
  address: null,
  clients: [],
  ports: [],
})
const problem = { code: 'DISK_LOW', message: 'only 1 GiB are free', hint: 'free some space' }

const dnsAnswer = (status: string) => ({
  apiVersion: 'v1',
  answer: {
    name: 'redis-srv',
    type: 'A',
    as: '10.88.0.9',
    status,
    answers: status === 'NOERROR' ? [{ name: 'redis-srv', type: 'A', ttl: 5, data: '10.88.0.5' }] : [],
    hints: status === 'NOERROR' ? [] : ['redis-srv is an alias of r2d2c3p0bb88: ask --as r2d2c3p0bb88'],
  },
})

const daemon = await fakeDaemon({
  'GET status': { document: canned() },
  'GET services': { document: { services: [serviceRow(), grace, failed] } },
  'GET runs': { document: { runs: [runRow()] } },
  'GET services/redis': { document: { service: serviceRow() } },
  'GET services/r2d2': failure('SERVICE_NOT_FOUND', { id: 'r2d2' }),
  'GET services/nobody': failure('SERVICE_NOT_FOUND', { id: 'nobody' }),
  'DELETE services/redis': { document: { service: serviceRow({ state: 'stopped' }) } },
  'DELETE services/re': failure('SERVICE_AMBIGUOUS', { id: 're', candidates: ['redis1', 'redis2'] }),
  'POST services/redis/restart': { document: { service: serviceRow() } },
  'GET services/redis/logs': { events: [logEvent('one\ntw'), logEvent('oops\n', 'stderr'), logEvent('o\n')] },
  'GET services/pg/logs': { events: [{ type: 'heartbeat' }, logEvent('ready')] },
  'GET services/gone/logs': {
    events: [{ type: 'error', error: failure('SERVICE_NOT_FOUND', { id: 'gone' }).error.toJSON() }],
  },
  'GET dns/query': { document: dnsAnswer('NOERROR') },
  'GET dns/zone': {
    document: {
      records: [
        { name: 'h1.moorage.internal', type: 'A', value: '10.88.0.5', network: 'default', view: 'zone' },
        { name: 'redis-srv', type: 'A', value: '10.88.0.5', network: 'default', view: '10.88.0.9' },
      ],
    },
  },
})
const unhappy = await fakeDaemon({
  'GET status': {
    document: canned({ problems: [problem], services: [grace, failed, serviceRow({ state: 'stopped' })] }),
  },
  'GET dns/query': { document: dnsAnswer('NXDOMAIN') },
})
t.teardown(async () => {
  await daemon[Symbol.asyncDispose]()
  await unhappy[Symbol.asyncDispose]()
})

interface Case {
  args: string
  code?: number
  /** A string must match the whole output. */
  stdout?: RegExp | string
  stderr?: RegExp | string
  host?: string
}

/** Command lines, each with its output and exit code; by default 0 and an empty stderr. */
const cases: Case[] = [
  {
    args: 'status',
    stdout:
      /^Moorage 0\.1\.0, pid 4711, up 30m, on \/run\/moorage\/moorage\.sock\.\n.*2 sessions, 1 run\.\nNetwork default: 10\.88\.0\.0\/16, .*reached from the host\.\n\nNAME +ID +STATE +HEALTH +CLIENTS +ADDRESS +PORTS +AGE\nredis +h1u8v0k2m4p6 +ready +healthy +run abcdefghijkl, pin +10\.88\.0\.5 +6379\/tcp +3h\n$/,
  },
  {
    args: 'status',
    host: unhappy.host,
    code: 1,
    stdout:
      /Problems:\n {2}DISK_LOW: only 1 GiB are free\n {4}hint: free some space\n\nNAME.*\npg +g00000000000 +stops in (60|59)m .*\nwww +f00000000000 +failed \(exit 42\) .* - +- +- +3h\n1 stopped: moorage ps -a shows them\.\n$/,
  },
  { args: 'status --network other', stdout: /\n\nNo services\.\n$/ },
  { args: 'ps', stdout: /^NAME +ID .*\nredis .*\npg .*\n$/ },
  { args: 'ps -aq', stdout: 'h1u8v0k2m4p6\ng00000000000\nf00000000000\nr2d2c3p0bb88\n' },
  { args: 'ps -a', stdout: /redis-cli +r2d2c3p0bb88 +done \(exit 3\) +- +- +10\.88\.0\.9 +- +5m\n$/ },
  { args: 'stop redis redis', stdout: 'h1u8v0k2m4p6\nh1u8v0k2m4p6\n' },
  { args: 'stop re', code: 2, stderr: /^error: "re" may mean redis1, redis2\nhint: use more characters/ },
  { args: 'restart redis', stdout: 'h1u8v0k2m4p6\n' },
  { args: 'logs redis', stdout: 'one\ntwo\n', stderr: 'oops\n' },
  { args: 'logs redis pg', stdout: 'redis | one\nredis | two\npg    | ready\n', stderr: 'redis | oops\n' },
  { args: 'logs gone', code: 3, stderr: /^error: no service is called "gone"\nhint: moorage ps -a/ },
  { args: 'logs --since never redis', code: 2, stderr: /--since: "never" is not a duration/ },
  { args: 'inspect redis', stdout: /"hostname": "h1u8v0k2m4p6q8s0\.moorage\.internal"/ },
  { args: 'inspect r2d2', stdout: /"run": \{\n {4}"id": "r2d2c3p0bb88"/ },
  { args: 'inspect nobody', code: 3, stderr: /no service is called "nobody"/ },
  {
    args: 'dns query redis-srv --as r2d2',
    stdout: /^NAME +TYPE +TTL +DATA\nredis-srv +A +5 +10\.88\.0\.5\n$/,
    stderr: 'redis-srv A as 10.88.0.9: NOERROR\n',
  },
  // (E13)
  {
    args: 'dns query redis-srv',
    host: unhappy.host,
    code: 3,
    stdout: '',
    stderr: /NXDOMAIN\nredis-srv is an alias of r2d2c3p0bb88: ask --as r2d2c3p0bb88\n$/,
  },
  { args: 'dns query redis-srv -q', host: unhappy.host, code: 3, stdout: '', stderr: '' },
  { args: 'dns zone', stdout: /redis-srv +A +10\.88\.0\.5 +10\.88\.0\.9 +default\n$/ },
  { args: 'version', stdout: /^moorage \d+\.\d+\.\d+\ndaemon {2}0\.1\.0\n$/ },
  { args: 'version', host: 'unix:///nonexistent/x', stdout: /^moorage/, stderr: 'no daemon answers\n' },
  { args: '--version', stdout: /^\d+\.\d+\.\d+\n$/ },
  { args: '', code: 2, stderr: /Usage: moorage/ },
  { args: '--help', stdout: /Commands:\n {2}setup .*/ },
  { args: 'help run', stdout: /Usage: moorage run \[options\] IMAGE/ },
  { args: 'help dns query', stdout: /--as <CLIENT>/ },
  { args: 'stauts', code: 2, stderr: /^error: unknown command 'stauts' \(Did you mean status\?\)\n/ },
  { args: 'status --watsh', code: 2, stderr: /unknown option '--watsh' \(Did you mean --watch\?\)/ },
  { args: 'stop', code: 2, stderr: /missing required argument 'ID'/ },
  { args: 'ps surplus', code: 2, stderr: /too many arguments/ },
  { args: 'ps --host tcp://1.2.3.4', code: 2, stderr: /tcp:\/\/1\.2\.3\.4.*unix:\/\/\/path/ },
  {
    args: 'status',
    host: 'unix:///nonexistent/x',
    code: 5,
    stderr:
      /^error: no daemon answers at unix:\/\/\/nonexistent\/x: there is no such socket\ncause: .*ENOENT.*\nhint: start one/,
  },
  { args: 'ps --host unix:///nonexistent/flag', code: 5, stderr: /nonexistent\/flag/ },
  { args: '--host unix:///nonexistent/flag ps', code: 5, stderr: /nonexistent\/flag/ },
]

for (const { args, code = 0, stdout = '', stderr = '', host = daemon.host } of cases) {
  t.test(`moorage ${args} -> ${code}`, { buffered: true }, async (t) => {
    const outcome = await runCommand(args === '' ? [] : args.split(' '), { env: { MOORAGE_HOST: host } })
    const shown = JSON.stringify(outcome)
    t.equal(outcome.code, code, shown)
    for (const [found, expected] of [
      [outcome.stdout, stdout],
      [outcome.stderr, stderr],
    ] as const) {
      if (typeof expected === 'string') t.equal(found, expected)
      else t.match(found, expected)
    }
  })
}

const documents: [args: string, code: number, expected: object][] = [
  [
    'status',
    0,
    { apiVersion: 'v1', pid: 4711, services: [{ id: 'h1u8v0k2m4p6', startedAt: /^\d{4}-.*Z$/ }] },
  ],
  ['ps', 0, { apiVersion: 'v1', services: [{ name: 'redis' }, { name: 'pg', stopsAt: /Z$/ }] }],
  ['ps -a', 0, { apiVersion: 'v1', runs: [{ id: 'r2d2c3p0bb88', exitCode: 3, endedAt: /Z$/ }] }],
  ['stop --kill redis', 0, { apiVersion: 'v1', services: [{ state: 'stopped' }] }],
  ['inspect redis', 0, { apiVersion: 'v1', service: { id: 'h1u8v0k2m4p6' } }],
  ['dns query redis-srv', 0, { apiVersion: 'v1', answer: { status: 'NOERROR' } }],
  ['dns zone', 0, { apiVersion: 'v1', records: [{ view: 'zone' }, {}] }],
  ['version', 0, { apiVersion: 'v1', client: /\d/, daemon: '0.1.0', node: /^2/ }],
  ['stop re', 2, { apiVersion: 'v1', error: { code: 'SERVICE_AMBIGUOUS', details: { id: 're' } } }],
  ['stauts', 2, { apiVersion: 'v1', error: { code: 'USAGE', message: /Did you mean status/ } }],
  ['ps --host unix:///nonexistent/x', 5, { apiVersion: 'v1', error: { code: 'DAEMON_UNREACHABLE' } }],
]

for (const [args, code, expected] of documents) {
  t.test(`moorage ${args} --json is one document`, { buffered: true }, async (t) => {
    const outcome = await runCommand([...args.split(' '), '--json'], { env: { MOORAGE_HOST: daemon.host } })
    t.equal(outcome.code, code)
    t.match(JSON.parse(outcome.stdout), expected)
    t.equal(outcome.stderr, '', 'nothing on stderr')
  })
}

t.test('logs --json is a line of JSON for each line', { buffered: true }, async (t) => {
  const { stdout } = await runCommand(['logs', 'redis', '--json'], { env: { MOORAGE_HOST: daemon.host } })
  const line = { apiVersion: 'v1', type: 'log', id: 'redis', time: '1970-01-01T00:00:00.000Z' }
  t.same(
    stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text)),
    [
      { ...line, stream: 'stdout', line: 'one' },
      { ...line, stream: 'stderr', line: 'oops' },
      { ...line, stream: 'stdout', line: 'two' },
    ],
  )
})

t.test('colours only where they are wanted', { buffered: true }, async (t) => {
  const coloured = (outcome: Outcome) => outcome.stdout.includes('\x1b[')
  const env = { MOORAGE_HOST: daemon.host }
  t.notOk(coloured(await runCommand(['status'], { env })), 'not in a pipe')
  t.ok(coloured(await runCommand(['status'], { env: { ...env, FORCE_COLOR: '1' } })), 'in one by force')
  t.notOk(coloured(await runCommand(['--no-color', 'status'], { env: { ...env, FORCE_COLOR: '1' } })))
})

t.test(
  'what the daemon is asked carries the flags, before the environment',
  { buffered: true },
  async (t) => {
    await using own = await fakeDaemon({
      'DELETE services/a/b': { document: { service: serviceRow() } },
      'GET services/redis/logs': { events: [] },
      'GET dns/query': { document: dnsAnswer('NOERROR') },
    })
    const env = { MOORAGE_HOST: own.host, MOORAGE_NETWORK: 'env' }
    await runCommand(['stop', '--kill', 'a/b'], { env })
    await runCommand(['logs', '--since', '1970-01-01T00:00:01Z', '-f', 'redis', '--network', 'flag'], { env })
    await runCommand(['--network', 'outer', 'dns', 'query', 'x', 'aaaa', '--as', '10.0.0.1'], { env })
    t.same(
      own.asked.map(({ path, query }) => ({ path, query })),
      [
        { path: 'services/a/b', query: { kill: '1', network: 'env' } },
        { path: 'services/redis/logs', query: { follow: '1', since: '1000', network: 'flag' } },
        { path: 'dns/query', query: { name: 'x', type: 'AAAA', as: '10.0.0.1', network: 'outer' } },
      ],
    )
  },
)

t.test('status -w shows it again until it is interrupted', { buffered: true }, async (t) => {
  const { child, outcome } = startCommand(['status', '-w', '--json'], { env: { MOORAGE_HOST: daemon.host } })
  for (let lines = 0; lines < 2; ) {
    const [chunk] = await once(child.stdout as Readable, 'data')
    lines += String(chunk).split('\n').length - 1
  }
  child.kill('SIGINT')
  t.equal((await outcome).code, 130)
})

t.test(
  'docs/cli.md tells of every command, and the package has what setup runs',
  { buffered: true },
  async (t) => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8')
    for (const { name } of commands) t.match(page, `## moorage ${name}`)
    t.ok(existsSync(packageFile('scripts/setup-host')))
  },
)

t.test('a daemon that does not start says why, at the end in JSON', { buffered: true }, async (t) => {
  for (const [args, code, exit] of [
    [['--runtime', 'docker'], 'NOT_YET', 2],
    [['--isolation', 'walls'], 'INVALID_OPTION', 2],
    [['--grace', 'long'], 'INVALID_OPTION', 2],
  ] as const) {
    const outcome = await runCommand(['daemon', ...args])
    t.equal(outcome.code, exit)
    const lines = outcome.stderr.trimEnd().split('\n')
    t.match(lines[0], /^error: /)
    t.match(JSON.parse(lines.at(-1) ?? ''), { error: { code, message: String, hint: String, details: {} } })
  }
})
