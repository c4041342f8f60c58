import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { StreamEvent } from '../../src/definition/index.ts'
import { type Answer, fakeDaemon, logEvent, runRow, serviceRow, statusDocument } from './fake-daemon.ts'

t.setTimeout(120_000)

const entry = join(import.meta.dirname, '../../src/cli/main.ts')

const result = (exitCode: number): StreamEvent => ({ type: 'result', value: exitCode, exitCode })
const gap: StreamEvent = { type: 'gap', missing: 4711, position: 'run@5000' }
const command = (data: Buffer): StreamEvent[] => {
  const events: StreamEvent[] = []
  for (let at = 0; at < data.length; at += 500_000) events.push(logEvent(data.subarray(at, at + 500_000)))
  return [...events, result(0)]
}

/** Runs a script in bash, with a function `M` that is the command line of a daemon that answers as told. */
async function shell(routes: Record<string, Answer>, script: string) {
  await using daemon = await fakeDaemon(routes)
  const env = { ...process.env, MOORAGE_HOST: daemon.host, NO_COLOR: '1' }
  const prelude = `set -o pipefail; M() { ${process.execPath} ${entry} "$@"; };`
  try {
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', `${prelude} ${script}`], {
      env,
      maxBuffer: 64 * 1024 * 1024,
    })
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, stdout, stderr }
  }
}

const sizes = [70_000, 100_000, 3_000_001]

t.test('all of the output arrives at a reader that is slow (L08)', async (t) => {
  for (const size of sizes) {
    const events = command(Buffer.alloc(size, 'x'))
    for (const [route, args] of [
      ['POST evaluate', 'run -q img cmd'],
      ['POST services/c1/exec', 'exec c1 cmd'],
      ['GET services/c1/logs', 'logs c1'],
    ] as const) {
      const { code, stdout } = await shell({ [route]: { events } }, `M ${args} | (sleep 1; cat) | wc -c`)
      t.same([code, Number(stdout)], [0, size], `${args}: ${size}`)
    }
  }
  const events: StreamEvent[] = [logEvent(Buffer.alloc(200_000, 'e'), 'stderr'), result(3)]
  const { stdout } = await shell(
    { 'POST evaluate': { events } },
    'M run -q img 2>&1 >/dev/null | (sleep 1; cat) | wc -c; echo $PIPESTATUS',
  )
  t.equal(stdout, '200000\n3\n', 'of stderr too, with the command’s code')
})

t.test('documents arrive whole (C08)', async (t) => {
  const lines = Array.from({ length: 20_000 }, (_, i) => `${i}\n`).join('')
  const events = command(Buffer.from(lines))
  const run = await shell({ 'POST evaluate': { events } }, 'M run --json img | (sleep 1; cat) | tail -1')
  t.match(JSON.parse(run.stdout), { type: 'result', exitCode: 0 })
  const logs = await shell({ 'GET services/c/logs': { events } }, 'M logs --json c | (sleep 1; cat) | wc -l')
  t.equal(Number(logs.stdout), 20_000)
  const runs = Array.from({ length: 5_000 }, (_, i) => runRow({ id: `r${i}` }))
  const routes = { 'GET services': { document: { services: [] } }, 'GET runs': { document: { runs } } }
  const ps = await shell(routes, 'M ps -a --json | (sleep 1; cat)')
  t.equal(JSON.parse(ps.stdout).runs.length, 5_000)
  const table = await shell(routes, 'M ps -a | (sleep 1; cat) | tail -1')
  t.match(table.stdout, /r4999/)
})

t.test('JSON tells a line that is no UTF-8 as it is', async (t) => {
  const line = Buffer.from([0x61, 0xff, 0xfe, 0x62])
  const events = [logEvent(Buffer.concat([line, Buffer.from('\né\n')])), result(0)]
  const { stdout } = await shell({ 'POST evaluate': { events } }, 'M run --json img')
  const [first, second] = stdout.split('\n').map((text) => JSON.parse(text || '{}'))
  t.equal(first.base64, line.toString('base64'))
  t.match(second, { line: 'é' })
  t.equal(second.base64, undefined)
})

t.test('a line is a line up to 1 MiB; a longer one is cut between characters (C08b)', async (t) => {
  const mebibyte = 1024 * 1024
  const service = (name: string, text: string): Record<string, Answer> => ({
    [`GET services/${name}/logs`]: { events: command(Buffer.from(text)).slice(0, -1) },
    'GET services/other/logs': { events: [] },
  })
  for (const [text, lengths] of [
    [`${'x'.repeat(mebibyte)}\nend\n`, [mebibyte, 3]],
    [`${'x'.repeat(mebibyte - 1)}\nend\n`, [mebibyte - 1, 3]],
    [`${'x'.repeat(mebibyte + 1)}\nend\n`, [mebibyte, 1, 3]],
    [`${'x'.repeat(2 * mebibyte)}\n\nend`, [mebibyte, mebibyte, 0, 3]],
    [`${'x'.repeat(mebibyte - 1)}${'é'.repeat(10)}\n`, [mebibyte - 1, 20]],
    [`${'x'.repeat(mebibyte - 3)}${'😀'.repeat(10)}\n`, [mebibyte - 3, 40]],
  ] as const) {
    const { stdout } = await shell(service('a', text), 'M logs a other')
    const lines = stdout.split('\n').slice(0, -1)
    t.same(
      lines.map((line) => Buffer.byteLength(line.replace(/^a +\| /, ''))),
      lengths,
    )
    t.notMatch(stdout, '\ufffd')
    const json = await shell(service('a', text), 'M logs --json a')
    t.same(
      json.stdout.split('\n').flatMap((line) => (line ? [Buffer.byteLength(JSON.parse(line).line)] : [])),
      lengths,
    )
  }
})

t.test('lines that are chosen or marked keep their bytes', async (t) => {
  const data = Buffer.from([0x61, 0xff, 0x0a, 0x62, 0xfe, 0x0a])
  const routes = {
    'GET services/a/logs': { events: [logEvent(data)] },
    'GET services/b/logs': { events: [] },
  }
  const grep = await shell(routes, 'M logs --grep a a | od -An -tx1')
  t.equal(grep.stdout.trim(), '61 ff 0a')
  const both = await shell(routes, 'M logs a b | od -An -c')
  t.match(both.stdout, /a\s+\|\s+a 377\s+\\n\s+a\s+\|\s+b 376\s+\\n/)
})

const full = {
  'GET services': { document: { services: [serviceRow()] } },
  'GET services/c1': { document: { service: serviceRow() } },
  'GET status': { document: statusDocument() },
  'GET networks': { document: { networks: [] } },
  'GET events': { events: [{ type: 'events', log: 'l', oldest: 1, latest: 0, missed: 3 }], open: true },
  'GET services/c1/logs': { events: [logEvent('hi\n')] },
  'POST evaluate': { events: [logEvent('hi\n'), result(0)] },
  'POST services/c1/exec': { events: [logEvent('hi\n'), result(0)] },
} as Record<string, Answer>

t.test('output that cannot be written is an error, which is said (E01)', async (t) => {
  const commands: [string, number][] = [
    ['ps', 1],
    ['ps -q', 1],
    ['status', 1],
    ['status --json', 1],
    ['inspect c1', 1],
    ['version', 1],
    ['--help', 1],
    ['run --help', 1],
    ['logs c1', 1],
    ['events -f --json', 1],
    ['network ls', 1],
    ['run -q img', 125],
    ['run --json img', 125],
    ['exec c1 true', 125],
  ]
  await Promise.all(
    commands.map(async ([args, expected]) => {
      const { code, stderr } = await shell(full, `M ${args} > /dev/full`)
      t.equal(code, expected, args)
      t.match(stderr, /error: standard output: no space left on device\n/, args)
      t.notMatch(stderr, / at /, 'no stack')
    }),
  )
  const events: StreamEvent[] = [logEvent('hi\n', 'stderr'), result(0)]
  const { code } = await shell({ 'POST evaluate': { events } }, 'M run -q img 2> /dev/full')
  t.equal(code, 125, 'what the command wrote to stderr counts')
})

t.test('a write that a full disk cuts short is one that failed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-full-'))
  t.teardown(() => rmdirSync(directory))
  const events = [logEvent(Buffer.alloc(90_000, 'x')), result(0)]
  // A mount namespace of its own: nothing is left.
  const { code, stdout, stderr } = await shell(
    { 'POST evaluate': { events } },
    `export -f M; unshare -m bash -c 'mount -t tmpfs -o size=64k none ${directory}; M run -q img > ${directory}/out; c=$?; stat -c %s ${directory}/out; exit $c'`,
  )
  t.equal(code, 125, stderr)
  t.equal(Number(stdout), 65_536)
  t.match(stderr, 'no space left on device')
})

t.test('a reader that has enough ends it as SIGPIPE would', async (t) => {
  const events = command(Buffer.alloc(3_000_000, 'y\n'))
  const { stdout } = await shell({ 'POST evaluate': { events } }, 'M run -q img | head -1; echo $PIPESTATUS')
  t.equal(stdout, 'y\n141\n')
  const errors = [logEvent(Buffer.alloc(3_000_000, 'y\n'), 'stderr'), result(0)]
  const other = await shell(
    { 'POST evaluate': { events: errors } },
    'M run -q img 2>&1 >/dev/null | head -1; echo $PIPESTATUS',
  )
  t.equal(other.stdout, 'y\n141\n')
})

t.test('output that the daemon no longer keeps is never passed over (C05)', async (t) => {
  const events = [logEvent('begin\n'), gap, logEvent('end\n'), result(0)]
  const routes = {
    'POST evaluate': { events },
    'POST services/c1/exec': { events },
    'GET services/c1/logs': { events: events.slice(0, -1) },
  }
  for (const [args, expected] of [
    ['run -q img x', 125],
    ['exec -q c1 x', 125],
    ['logs -q c1', 1],
  ] as const) {
    const { code, stdout, stderr } = await shell(routes, `M ${args}`)
    t.equal(code, expected, args)
    t.match(stderr, /^error: some of the output of .* \(4711 bytes\) is lost: /m, args)
    if (args.startsWith('logs')) t.equal(stdout, 'begin\nend\n', 'all that is there')
  }
})

t.test('files get all of it, appended to or not', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-out-'))
  const file = join(directory, 'out')
  const events = command(Buffer.alloc(3_000_000, 'y\n'))
  await shell(
    { 'POST evaluate': { events } },
    `echo first > ${file}; M run -q img >> ${file}; M run -q img 2>&1 >> ${file}`,
  )
  t.equal(statSync(file).size, 6_000_006)
  t.match(readFileSync(file, 'utf8').slice(0, 12), /^first\ny\n/)
  await shell({}, `rm -r ${directory}`)
})
