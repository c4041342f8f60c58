import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

const root = join(import.meta.dirname, '../..')

/** Runs tap with our reporter on files that it is handed, as a run of its own. */
async function runTap(directory: string, options: string[], files: string[]) {
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  // The tap that runs this test speaks to its children by the environment: none of that is for ours.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(_?TAP|NODE_OPTIONS|NODE_V8_COVERAGE|MOORAGE_TEST_SUMMARY)/.test(name),
    ),
  )
  const tap = join(root, 'node_modules/.bin/tap')
  const reporter = `--reporter=${join(root, 'scripts/tap-reporter.mjs')}`
  const child = spawn(process.execPath, [tap, reporter, ...options, ...files], {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit')
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  // Then tap itself did not work.
  if (stdout === '') throw new Error(`tap exited with ${status} and said only: ${stderr}`)
  return { status, stdout, lastLine: stdout.trimEnd().split('\n').at(-1) }
}

// Three runs of tap, of seconds each: side by side.
t.jobs = 3

const taprc = 'plugin:\n  - "!@tapjs/typescript"\njobs: 2\ntimeout: 20\n'

t.test('a file that fails as a whole is a failure, whatever passed in it', async (t) => {
  const directory = t.testdir({
    '.taprc': taprc,
    'package.json': '{ "type": "module" }',
    'crash.test.ts': "import './not-there.ts'",
    'exit.test.ts': "import t from 'tap'\nt.pass('one')\nprocess.exit(3)",
    'kill.test.ts': "import t from 'tap'\nt.pass('one')\nprocess.kill(process.pid, 'SIGKILL')",
    'none.test.ts': "import 'tap'",
    'skip.test.ts':
      "import t from 'tap'\nt.pass('one')\nt.test('later', { skip: 'no root' }, async () => {})",
    'plan.test.ts': "import t from 'tap'\nt.test('two', async (t) => { t.plan(2); t.pass('one') })",
    'fail.test.ts':
      "import t from 'tap'\nconsole.log('a word')\nt.test('outer', async (t) => { t.test('inner', async (t) => { t.equal(1, 2, 'one is two') }) })",
    'void.test.ts':
      "import t from 'tap'\nt.pass('one')\nt.test('outer', async (t) => { t.test('asserted', async () => {}) })",
    'good.test.ts': "import t from 'tap'\nt.test('adds', async (t) => { t.equal(2, 1 + 1); t.ok(true) })",
  })
  const files = ['crash', 'exit', 'kill', 'none', 'skip', 'plan', 'fail', 'void', 'good'].map(
    (name) => `${name}.test.ts`,
  )
  const { status, stdout, lastLine } = await runTap(directory, ['--disable-coverage'], files)

  t.equal(status, 1)
  t.match(stdout, /^not ok crash\.test\.ts .*\n.*\n {4}exited with code 1$/m)
  t.match(stdout, /^not ok exit\.test\.ts +1 passed, 1 failed.*\n.*\n {4}exited with code 3$/m)
  t.match(stdout, /^not ok kill\.test\.ts +1 passed, 1 failed.*\n.*\n {4}was killed by SIGKILL$/m)
  t.match(stdout, /^not ok none\.test\.ts .*\n.*\n {4}holds no test$/m)
  t.match(stdout, /FAILED skip\.test\.ts > later\n {4}is skipped: no root/)
  t.match(stdout, /FAILED void\.test\.ts > outer > asserted\n {4}asserts nothing/)
  t.match(stdout, /^not ok plan\.test\.ts /m)
  t.match(stdout, /^ok {5}good\.test\.ts +2 passed/m)

  t.match(
    stdout,
    /FAILED fail\.test\.ts > outer > inner > one is two\n {4}at fail\.test\.ts:3/,
    'file, test names and place',
  )
  t.match(stdout, /^ +-2\n +\+1$/m, 'the difference')
  t.match(stdout, /it printed:\n +a word/, 'and what the file printed')

  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/.exec(lastLine ?? '') ?? []
  t.equal(passed, '7', 'one each of exit, kill, skip, plan and void, two of good')
  t.equal(failed, '8', 'one for each bad file')
})

t.test('missed coverage is seen in the exit code, with no failure counted', async (t) => {
  const directory = t.testdir({
    '.taprc': taprc,
    'package.json': '{ "type": "module" }',
    'half.ts':
      'export function half(x: number): number {\n  if (x > 1) {\n    return x / 2\n  }\n  return 0\n}\n',
    'half.test.ts': "import t from 'tap'\nimport { half } from './half.ts'\nt.equal(half(1), 0)",
  })
  const { status, lastLine } = await runTap(directory, ['--statements=99'], ['half.test.ts'])
  t.equal(status, 1)
  t.equal(lastLine, '1 passed, 0 failed')
})

t.test('a file that takes too long is a failure', async (t) => {
  const directory = t.testdir({
    '.taprc': taprc,
    'package.json': '{ "type": "module" }',
    'hang.test.ts':
      "import t from 'tap'\nt.pass('one')\nawait new Promise((done) => setTimeout(done, 4_000))",
  })
  const { status, stdout, lastLine } = await runTap(
    directory,
    ['--disable-coverage', '--timeout=1'],
    ['hang.test.ts'],
  )
  t.equal(status, 1)
  t.match(stdout, /^not ok hang\.test\.ts /m)
  t.match(stdout, /timeout/)
  t.match(lastLine, /^\d+ passed, [1-9]\d* failed$/)
})
