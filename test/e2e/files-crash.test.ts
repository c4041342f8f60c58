import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Container, Moorage } from '../../src/index.ts'
import { busyboxRoot } from './busybox.ts'
import { ownDirectories, run, startDaemon, until } from './own-daemon.ts'

t.setTimeout(180_000)

t.test('outputs outlive the daemon, and what it was about to make does not', async (t) => {
  using root = busyboxRoot()
  using own = ownDirectories()
  const temporary = () => readdirSync(join(own.stateDirectory, 'tmp'))
  const starts = () => readFileSync(join(own.stateDirectory, 'volumes/starts/x'), 'utf8')
  const base = (moorage: Moorage) => moorage.container().withRootfs(moorage.host.directory(root.path))
  const maker = (moorage: Moorage): Container => {
    const service = base(moorage)
      .withMountedCache('/starts', moorage.cacheVolume('starts'))
      .withExposedPort(80)
      .withExec(['sh', '-c', 'echo x >> /starts/x; exec httpd -f -p 80'])
      .asService({ stopTimeout: 50 })
    return base(moorage)
      .withServiceBinding('svc', service)
      .withExec(['sh', '-c', 'mkdir /d; for i in 1 2 3 4; do dd if=/dev/zero of=/d/$i bs=1M count=40; done'])
  }
  const derived = (moorage: Moorage) =>
    moorage.directory().withDirectory('sub', maker(moorage).directory('/d')).withNewFile('f', 'f')

  let digest = ''
  {
    await using daemon = await startDaemon(own, '--grace', '0')
    await using moorage = await daemon.connect()
    await maker(moorage).sync()
    digest = await maker(moorage).directory('/d').digest()
    const call = derived(moorage).entries()
    call.catch(() => undefined)
    await until('the copy is under way', () => temporary().some((name) => hasFile(own.stateDirectory, name)))
    daemon.process.kill('SIGKILL')
    await once(daemon.process, 'exit')
    await t.rejects(call, { code: 'DAEMON_UNREACHABLE' })
  }
  await until('the copier has ended with the daemon', () => copiers(own.stateDirectory).length === 0)
  await using daemon = await startDaemon(own, '--grace', '0')
  await using moorage = await daemon.connect()
  t.same(temporary(), [], 'the next one has cleaned up')
  t.equal(await maker(moorage).directory('/d').digest(), digest)
  t.same(await derived(moorage).entries(), ['f', 'sub'])
  t.equal(await derived(moorage).directory('sub').digest(), digest)
  t.equal(starts(), 'x\n', 'no service was started for any of it again')
})

t.test('a full disk is told as that, and what was half copied is gone', async (t) => {
  using root = busyboxRoot()
  using own = ownDirectories()
  mkdirSync(own.stateDirectory, { recursive: true })
  await run('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', own.stateDirectory])
  try {
    await using daemon = await startDaemon(own, '--grace', '0')
    await using moorage = await daemon.connect()
    const base = moorage.container().withRootfs(moorage.host.directory(root.path))
    const large = base.withExec(['sh', '-c', 'mkdir /d; dd if=/dev/zero of=/d/f bs=1M count=110'])
    const free = () =>
      Number(execFileSync('stat', ['-f', '-c', '%a', own.stateDirectory], { encoding: 'utf8' }))
    await large.sync()
    await until('the run has let go', () => readdirSync(join(own.stateDirectory, 'tmp')).length === 0)
    const before = free()
    const copies: Record<string, () => Promise<unknown>> = {
      'a copy of a file': () => moorage.directory().withFile('x', large.file('/d/f')).entries(),
      'a copy of a directory': () => moorage.directory().withDirectory('x', large.directory('/d')).entries(),
      'a root filesystem': () => moorage.container().withRootfs(large.directory('/d')).withExec(['x']).sync(),
    }
    for (const [what, call] of Object.entries(copies)) await t.rejects(call(), { code: 'DISK_FULL' }, what)
    await until('what was half copied is gone', () => free() >= before - 64)
    t.same(readdirSync(join(own.stateDirectory, 'tmp')), [])
    t.equal(await large.file('/d/f').size(), 110 * 1024 * 1024, 'reading goes on')
    t.equal(
      await base.withMountedFile('/m', large.file('/d/f')).withExec(['stat', '-c', '%s', '/m']).stdout(),
      '115343360\n',
    )
  } finally {
    await run('umount', [own.stateDirectory])
  }
})

function hasFile(stateDirectory: string, name: string): boolean {
  try {
    return readdirSync(join(stateDirectory, 'tmp', name, 'layer/sub')).length > 0
  } catch {
    return false
  }
}

/** Copying processes that have something of a state directory's open. */
function copiers(stateDirectory: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      if (!/^\d+$/.test(pid) || readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'cp\n') return false
      return execFileSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' }).includes(stateDirectory)
    } catch {
      return false
    }
  })
}
