import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')

function run(command: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  return { status, stdout, stderr }
}

t.test('setup-host', async (t) => {
  t.test('says in one line that it needs root', async (t) => {
    const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid', '65534', '--clear-groups'] : ['env']
    const { status, stdout, stderr } = run(asNobody[0] ?? '', ...asNobody.slice(1), 'scripts/setup-host')
    t.equal(status, 1)
    t.equal(stdout, '')
    t.match(stderr, /^setup-host: needs root.*\n$/)
  })
  t.test('refuses an option that it does not know', async (t) => {
    const { status, stderr } = run('scripts/setup-host', '--everything')
    t.equal(status, 1)
    t.match(stderr, /^setup-host: unknown option --everything.*\n$/)
  })
})

t.test('test ends with the count, even when it cannot start', async (t) => {
  const { status, stdout } = run('scripts/test', '--everything')
  t.equal(status, 2)
  t.match(stdout, /0 passed, 1 failed\n$/)
})

t.test('bench says which benchmarks there are', async (t) => {
  const { status, stderr } = run('scripts/bench', 'nothing')
  t.equal(status, 2)
  t.match(stderr, /^usage: scripts\/bench NAME \[--json\]\nbenchmarks: (\w+ )*start /)
})

t.test('the bin, started by a Node that is too old, says so in one line', async (t) => {
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '18.20.0' })`
  const { status, stdout, stderr } = run(process.execPath, '-e', `${pretend}; import('./bin/moorage.js')`)
  t.equal(status, 2)
  t.equal(stdout, '')
  t.match(stderr, /^moorage: needs Node 24 or newer, this is .*\n$/)
})

t.test('test fails for a file that is not there, whatever else it is asked for', async (t) => {
  const { status, stdout } = run(
    'node_modules/.bin/node',
    'scripts/check.ts',
    'test/scripts/mistyped.test.ts',
  )
  t.equal(status, 1)
  t.match(stdout, /^not ok test\/scripts\/mistyped\.test\.ts: there is no such file$/m)
  t.match(stdout, /^0 passed, [1-9]\d* failed$/m)
})
