import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { removeTree } from '../remove-tree.ts'
import { type CommandOptions, runCommand, startCommand } from './command.ts'

t.setTimeout(120_000)

const base = mkdtempSync(join(tmpdir(), 'moorage-cli-daemon-'))
t.teardown(() => removeTree(base))

const env = {
  MOORAGE_STATE_DIR: join(base, 'state'),
  MOORAGE_RUNTIME_DIR: join(base, 'run'),
  MOORAGE_LOG_LEVEL: 'info',
}

/** Starts a real daemon; resolves when it has announced that it listens. */
async function startDaemon(args: string[], options: CommandOptions = { env }) {
  const started = startCommand(['daemon', '--json', ...args], options)
  const [line] = await Promise.race([
    once(started.child.stdout as NodeJS.ReadableStream, 'data'),
    started.outcome.then(({ stderr }) => {
      throw new Error(`the daemon ended: ${stderr}`)
    }),
  ])
  const listening = JSON.parse(String(line)) as { pid: number; socket: string; error?: object }
  if (listening.error) throw new Error(`the daemon did not start: ${line}`)
  return { ...started, listening }
}

t.test('a daemon runs until SIGTERM; status, ps and dns see it', async (t) => {
  const { child, outcome, listening } = await startDaemon([])
  t.match(listening, { apiVersion: 'v1', pid: child.pid, socket: join(base, 'run/moorage.sock') })
  const status = await runCommand(['status'], { env })
  t.equal(status.code, 0, status.stderr)
  t.match(status.stdout, `pid ${child.pid}`)
  t.match(status.stdout, /Network default: [\d./]+, gateway .*\n\nNo services\.\n$/)
  t.match(JSON.parse((await runCommand(['ps', '--json'], { env })).stdout), {
    apiVersion: 'v1',
    services: [],
  })
  t.equal((await runCommand(['dns', 'query', 'nothing.moorage.internal'], { env })).code, 3)
  t.equal((await runCommand(['logs', 'nobody'], { env })).code, 3)

  const second = await runCommand(['daemon', '--runtime-dir', join(base, 'second')], { env })
  t.equal(second.code, 1, 'the state directory is taken')
  const lastLine = second.stderr.trimEnd().split('\n').at(-1) ?? ''
  t.match(JSON.parse(lastLine), { error: { code: 'STATE_LOCKED', details: { pid: child.pid } } })

  child.kill('SIGTERM')
  t.equal((await outcome).code, 0)
  t.equal((await runCommand(['status'], { env })).code, 5)
})

t.test('a daemon with --idle-exit leaves by itself', async (t) => {
  const { outcome } = await startDaemon(['--idle-exit', '100ms'])
  t.equal((await outcome).code, 0)
})

t.test('a daemon that is told to stop before it listens stops then', async (t) => {
  const stateDirectory = join(base, 'fresh')
  const { child, outcome } = startCommand(['daemon', '--state-dir', stateDirectory], { env })
  // The directory is made at the beginning of the start, when signals are handled already.
  for (let waited = 0; waited < 10_000 && !existsSync(stateDirectory); waited += 2) await setTimeout(2)
  child.kill('SIGINT')
  const { code, stderr } = await outcome
  t.equal(code, 0, stderr)
  t.match(stderr, /the daemon has stopped/)
})

t.test('doctor looks at this host', async (t) => {
  const { code, stdout, stderr } = await runCommand(['doctor', '--json'], { env })
  const { probes } = JSON.parse(stdout) as { probes: { ok: boolean; remedy: string; group: string }[] }
  t.equal(stderr, '')
  t.ok(probes.length > 5)
  t.equal(code, probes.every(({ ok }) => ok) ? 0 : 1)
  t.ok(probes.every(({ ok, remedy }) => ok || remedy !== ''))
})

/** Runs a daemon that must refuse to start, in mounts of its own, after a shell command; returns its error. */
async function refusedAfter(command: string, args: string[]) {
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  const child = spawn(
    'unshare',
    ['--mount', 'sh', '-ec', `${command}; exec "$@"`, 'sh', process.execPath, main, 'daemon', ...args],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  const { error } = JSON.parse(said.trimEnd().split('\n').at(-1) ?? '')
  return { code, error: error as { code: string; message: string; hint: string } }
}

t.test(
  'a state directory on overlayfs is refused at the start, by the name of its filesystem (F18)',
  async (t) => {
    const at = join(base, 'o')
    const { code, error } = await refusedAfter(
      `mkdir -p ${at}/l ${at}/t; mount -t tmpfs t ${at}/t; mkdir ${at}/t/u ${at}/t/w ${at}/t/m;
     mount -t overlay o -o lowerdir=${at}/l,upperdir=${at}/t/u,workdir=${at}/t/w ${at}/t/m`,
      ['--state-dir', `${at}/t/m/state`, '--runtime-dir', join(base, 'o-run')],
    )
    t.match({ code, error }, { code: 1, error: { code: 'HOST_UNSUITABLE' } })
    t.match(error.message, `${at}/t/m/state is on a filesystem of type overlay`)
    t.match(error.hint, /keep the state directory on a plain filesystem/)
  },
)

t.test('without cgroups, as in `ip netns exec`, the daemon says so at the start (E38)', async (t) => {
  const { code, error } = await refusedAfter('umount -l /sys; mount -t sysfs sys /sys', [])
  t.match({ code, error }, { code: 1, error: { code: 'HOST_UNSUITABLE', hint: /nsenter --net/ } })
  t.match(error.message, /no cgroups are mounted at \/sys\/fs\/cgroup/)
})

t.test('root without a capability that containers need is told at the start (E38)', async (t) => {
  const main = join(import.meta.dirname, '../../src/cli/main.ts')
  for (const name of ['sys_admin', 'net_admin']) {
    const { stderr, code } = await promisify(execFile)(
      'setpriv',
      [`--bounding-set=-${name}`, process.execPath, main, 'daemon'],
      { env: { ...process.env, ...env } },
    ).catch((error) => error)
    t.equal(code, 1)
    t.match(stderr, `this process is root, but without CAP_${name.toUpperCase()}`)
  }
})
