/**
 * Everything that `scripts/test` does once Node and the packages are there: lint, types, import arrows, tap with
 * coverage, and a look at what the tests left on the host. Each of these that fails counts as one failure, in words.
 * The last line is always `N passed, N failed`, and the exit code is 1 unless the second is 0.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { describeLeft, endMarked, findLeftovers, takePicture } from './leftovers.ts'

const root = join(import.meta.dirname, '..')

/** Everything of this run; short, since paths of unix sockets below it may have 107 bytes. */
const folder = mkdtempSync(join(tmpdir(), 'mt-'))
// Some tests are other users, who must get through to what is below.
chmodSync(folder, 0o711)
/** Where the reporter puts its count; in the environment of every process that the tests start, and of no other. */
const summary = join(folder, 'summary.json')
/** The tests' own directory for temporary files, so that whatever stays in it is theirs. */
const temporary = join(folder, 't')
mkdirSync(temporary, { mode: 0o1777 })

/** The folders of test/ whose tests need no root, and take seconds. */
const unitFolders = ['dns', 'definition', 'lifecycle', 'concurrency', 'client', 'scripts']

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { unit: { type: 'boolean', default: false }, long: { type: 'boolean', default: false } },
})

let passed = 0
let failed = 0

function fail(words: string): void {
  failed += 1
  console.log(`not ok ${words}`)
}

/** Runs a check whose words matter only when it fails. */
async function stage(name: string, command: string, ...args: string[]): Promise<void> {
  const begin = performance.now()
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const exit = once(child, 'close')
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  const time = `${((performance.now() - begin) / 1000).toFixed(1)} s`
  if (code === 0) console.log(`ok     ${name.padEnd(48)} ${''.padEnd(22)} ${time}`)
  else {
    process.stdout.write(`${out}${err}`)
    fail(`${name}: see above`)
  }
}

function testFiles(): string[] {
  // Paths are the caller's, from wherever he stands.
  if (files.length > 0) return files.map((file) => relative(root, resolve(file)))
  if (options.unit)
    return unitFolders.flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`, { cwd: root })).sort()
  return []
}

async function tap(): Promise<void> {
  // A few files alone say nothing about the coverage of the whole.
  const partial = files.length > 0 || options.unit
  const chosen = testFiles()
  if (partial && chosen.length === 0) return fail('tap: there is no test file to run')
  const missing = chosen.filter((file) => !existsSync(join(root, file)))
  for (const file of missing) fail(`${file}: there is no such file`)
  if (missing.length > 0) return
  const args = [...(partial ? ['--disable-coverage'] : []), ...chosen]
  const child = spawn('tap', args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      TMPDIR: temporary,
      MOORAGE_TEST_SUMMARY: summary,
      ...(options.long ? { MOORAGE_LONG: '1' } : {}),
    },
  })
  const [code, signal] = await once(child, 'exit')
  if (!existsSync(summary))
    return fail(`tap itself: ended with ${signal ?? `code ${code}`} before it had a result`)
  const counted = JSON.parse(readFileSync(summary, 'utf8')) as {
    passed: number
    failed: number
    files: string[]
  }
  passed += counted.passed
  failed += counted.failed
  const silent = new Set(partial ? chosen : globSync('test/**/*.test.ts', { cwd: root }))
  for (const file of counted.files) silent.delete(file)
  for (const file of silent) fail(`${file}: nothing was heard of it`)
  if (counted.passed + counted.failed === 0) fail('tap: no test was run')
  else if (code !== 0 && counted.failed === 0) {
    fail(
      partial
        ? `tap: every test passed, but it exited with code ${code}`
        : 'coverage: below the thresholds of .taprc (the table is above)',
    )
  }
}

await stage('lint', 'biome', 'check', '--error-on-warnings', '.')
await stage('types', 'tsc', '--noEmit')
await stage('import arrows', 'node', 'scripts/arrows.ts')

const before = takePicture(summary, temporary)
await tap().catch((error) => fail(`tap: ${error instanceof Error ? error.message : error}`))
const left = await findLeftovers(before, summary, temporary)
for (const thing of left) console.log(`  left behind: ${describeLeft(thing, temporary)}`)
if (left.length > 0) {
  fail(
    `clean-up: the tests left ${left.length} things on this host (above); what still runs of them is ended now`,
  )
  await endMarked(summary)
}
rmSync(folder, { recursive: true })

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
