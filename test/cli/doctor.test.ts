import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { mountOverlay, umount } from '../../src/kernel/index.ts'
import { removeTree } from '../remove-tree.ts'
import { type Outcome, runCommand } from './command.ts'

interface Probe {
  group: string
  name: string
  ok: boolean
  skipped?: boolean
  detail: string
  remedy: string
}

t.setTimeout(120_000)

const base = mkdtempSync(join(tmpdir(), 'moorage-doctor-test-'))
t.teardown(() => removeTree(base))

/** Runs the program as a user other than root. */
async function asUser(...args: string[]): Promise<Pick<Outcome, 'code' | 'stdout'>> {
  const program = join(import.meta.dirname, 'doctor-program.ts')
  const run = promisify(execFile)(process.execPath, [program, ...args])
  return run.then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error) => ({ code: error.code, stdout: error.stdout }),
  )
}

async function probesWith(...args: string[]): Promise<Map<string, Probe>> {
  const { stdout } = await runCommand(['doctor', '--json', ...args])
  const { probes } = JSON.parse(stdout) as { probes: Probe[] }
  return new Map(probes.map((probe) => [probe.name, probe]))
}

t.test('to a normal user the first line says that he is not root, and what to do (E07)', async (t) => {
  const { code, stdout } = await asUser('doctor')
  t.equal(code, 1)
  const lines = stdout.split('\n')
  t.match(lines[0], /^you are not root: .*sudo moorage doctor/)
  t.equal(lines.filter((line) => line.startsWith('FAILED')).length, 1, 'only what is missing has failed')
  t.notMatch(stdout, /ip link del|nft delete|please report/, 'no remedy for what nobody has looked at (B2)')
})

t.test('a normal user is told of everything that can be looked at, and why of the rest (B7)', async (t) => {
  const { stdout } = await asUser('doctor', '--json')
  const { probes } = JSON.parse(stdout) as { probes: Probe[] }
  const all = await probesWith()
  t.same(
    probes.map(({ name }) => name),
    [...all.keys()],
    'the same checks as for root',
  )
  for (const { name, ok, skipped, detail } of probes) {
    if (skipped) t.match(detail, /^not looked at: /, name)
    else if (name !== 'privileges') t.equal(ok, all.get(name)?.ok, name)
  }
})

t.test('all is looked at where the daemon would be: --state-dir and MOORAGE_STATE_DIR (B8)', async (t) => {
  const missing = join(base, 'not/yet')
  t.match((await probesWith('--state-dir', missing)).get('overlayfs'), {
    ok: true,
    detail: `usable below ${base}`,
  })
  const { stdout } = await runCommand(['doctor', '--json'], { env: { MOORAGE_STATE_DIR: missing } })
  t.match(stdout, `usable below ${base}`)

  const [lower = '', upper = '', work = '', target = ''] = ['lower', 'upper', 'work', 'm'].map((name) => {
    mkdirSync(join(base, name))
    return join(base, name)
  })
  mountOverlay({ lowers: [lower], upper, work, target })
  t.teardown(() => umount(target))
  const probes = await probesWith('--state-dir', join(target, 'state'))
  t.match(probes.get('overlayfs'), { ok: false, detail: /on a filesystem of type overlay/ })
  t.match(probes.get('containers'), { ok: false }, 'its container is made there, too')
})

t.test('a state directory that is a file is told', async (t) => {
  writeFileSync(join(base, 'file'), '')
  const probes = await probesWith('--state-dir', join(base, 'file'))
  for (const name of ['overlayfs', 'containers', 'free space'])
    t.match(probes.get(name), { ok: false, detail: /file is not a directory|ENOTDIR/ }, name)
})

t.test('where Moorage cannot work at all that is said, and that a VM is the way (E08)', async (t) => {
  const disguise = "data:text/javascript,Object.defineProperty(process,'platform',{value:'darwin'})"
  const env = { NODE_OPTIONS: `--import ${disguise}` }
  for (const command of ['doctor', 'daemon', 'run x true']) {
    const { code, stderr } = await runCommand(command.split(' '), { env })
    t.equal(code, command.startsWith('run') ? 125 : 1, command)
    t.match(stderr, /^error: moorage needs Linux with glibc, and this is darwin/, command)
    t.match(stderr, /virtual machine/, command)
    t.notMatch(stderr, /report it|inside Moorage/, command)
  }
})

for (const door of ['netns/index.ts', 'src/network/index.ts', 'src/engine/index.ts']) {
  t.test(`importing ${door} there says so, too (E08)`, async (t) => {
    const disguise = 'data:text/javascript,Object.defineProperty(process,"platform",{value:"freebsd"})'
    const path = join(import.meta.dirname, '../..', door)
    const failure = await promisify(execFile)(process.execPath, [
      ...['--import', disguise, '--eval', `import(${JSON.stringify(path)})`],
    ]).catch((error) => error)
    t.match(failure.stderr, /moorage needs Linux with glibc, and this is freebsd/)
  })
}
