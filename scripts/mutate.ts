/**
 * Do the tests bite? Makes small faults in the given files, one at a time, and runs the tests that mirror them: a fault
 * that no test notices is a promise that anybody could delete. Works in a copy; needs root where the tests do.
 *
 * Usage: scripts/mutate [--count N] [--seed N] [--tests PATTERN]… FILE…
 *   --count N         as many faults of each file, drawn by the seed (all unless said)
 *   --seed N          repeats a draw
 *   --tests PATTERN   also these test files
 *
 * Exits 1 if a fault survived, 2 if the tests fail without any.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { testsOf } from './mirroring-tests.ts'
import { applyMutant, type Mutant, mutantsOf } from './mutants.ts'

const root = join(import.meta.dirname, '..')

/** A fault may make a test wait for ever, in milliseconds. */
const patience = 120_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    tests: { type: 'string', multiple: true, default: [] },
  },
})

/** Park and Miller's generator: the same seed gives the same draw everywhere. */
function randomOf(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

function draw(mutants: readonly Mutant[], count: number, random: () => number): Mutant[] {
  const rest = [...mutants]
  const drawn: Mutant[] = []
  while (drawn.length < count && rest.length > 0)
    drawn.push(...rest.splice(Math.floor(random() * rest.length), 1))
  return drawn.sort((a, b) => a.start - b.start)
}

/** Runs a test file in the copy; true if it passed. What it started ends with it. */
async function passes(copy: string, test: string): Promise<boolean> {
  const child = spawn(process.execPath, [test], {
    cwd: copy,
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, TMPDIR: join(copy, '.tmp'), TAP_BAIL: '1' },
  })
  const end = () => process.kill(-(child.pid as number), 'SIGKILL')
  const timer = setTimeout(end, patience)
  const [code] = await once(child, 'exit')
  clearTimeout(timer)
  try {
    end()
  } catch {
    // nothing of it runs any more
  }
  return code === 0
}

async function killerOf(copy: string, tests: readonly string[]): Promise<string | undefined> {
  for (const test of tests) if (!(await passes(copy, test))) return test
  return undefined
}

if (positionals.length === 0) {
  console.error('usage: scripts/mutate [--count N] [--seed N] [--tests PATTERN]… FILE…')
  process.exit(2)
}
const copy = mkdtempSync(join(tmpdir(), 'mutate-'))
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
for (const entry of [
  'bin',
  'dns',
  'docs',
  'examples',
  'netns',
  'scripts',
  'src',
  'test',
  'package.json',
  'README.md',
])
  cpSync(join(root, entry), join(copy, entry), { recursive: true })
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
cpSync(join(root, 'package-lock.json'), join(copy, 'package-lock.json'))
mkdirSync(join(copy, '.tmp'), { mode: 0o1777 })

const random = randomOf(Number(values.seed))
const more = values.tests.flatMap((pattern) => globSync(pattern, { cwd: root }))
const sound = new Set<string>()
let killed = 0
const survivors: string[] = []
console.log(`seed ${values.seed}`)
for (const file of positionals.map((given) => relative(root, resolve(given)))) {
  const source = readFileSync(join(root, file), 'utf8')
  const tests = [...new Set([...testsOf(root, file), ...more])]
  if (tests.length === 0) {
    console.error(`mutate: no test mirrors ${file}; name one with --tests`)
    process.exit(2)
  }
  for (const test of tests.filter((one) => !sound.has(one))) {
    if (!(await passes(copy, test))) {
      console.error(`mutate: ${test} fails without any fault`)
      process.exit(2)
    }
    sound.add(test)
  }
  const all = mutantsOf(source)
  for (const mutant of draw(all, Number(values.count ?? all.length), random)) {
    const mutated = applyMutant(source, mutant)
    if (mutated === undefined) continue
    writeFileSync(join(copy, file), mutated)
    const killer = await killerOf(copy, tests)
    const what = `${file}:${mutant.line}: ${mutant.description}`
    if (killer === undefined) survivors.push(what)
    else killed += 1
    console.log(killer === undefined ? `SURVIVED ${what}` : `killed   ${what} (${killer})`)
  }
  writeFileSync(join(copy, file), source)
}
console.log(`${killed} killed, ${survivors.length} survived`)
process.exitCode = survivors.length === 0 ? 0 : 1
