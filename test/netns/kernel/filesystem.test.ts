import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { mountByOptions } from '../../../netns/kernel/filesystem.ts'
import {
  bindMount,
  freeSpace,
  lockFile,
  makePipe,
  mountOverlay,
  openInRoot,
  openOverlay,
  openRoot,
  peerCredentials,
  umount,
} from '../../../netns/kernel/index.ts'
import { removeTree } from '../../remove-tree.ts'

interface Test {
  teardown(fn: () => unknown): unknown
}

/** A directory with `lower`s, `upper`, `work` and `target`, for which the parent of an overlay must not be one. */
function ownDirectory(t: Test) {
  const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kernel-test-'))
  t.teardown(() => removeTree(directory))
  const at = (name: string) => join(directory, name)
  for (const name of ['a', 'b', 'c,d:e\\f', 'upper', 'work', 'target']) {
    mkdirSync(at(name))
    if (name.length === 1 || name.startsWith('c')) {
      writeFileSync(at(`${name}/which`), name)
      writeFileSync(at(`${name}/only-${name[0]}`), name)
    }
  }
  return at
}

const mountLine = (target: string) =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((line) => line.includes(target))

t.test('an overlay shows its layers, the first uppermost, and keeps changes in its upper', async (t) => {
  const at = ownDirectory(t)
  mountOverlay({
    lowers: [at('a'), at('b'), at('c,d:e\\f')],
    upper: at('upper'),
    work: at('work'),
    target: at('target'),
    volatile: true,
    noSuid: true,
    noDevices: true,
  })
  t.teardown(() => umount(at('target')))
  t.same(readdirSync(at('target')).sort(), ['only-a', 'only-b', 'only-c', 'which'])
  t.equal(readFileSync(at('target/which'), 'utf8'), 'a')
  writeFileSync(at('target/new'), 'new')
  t.equal(readFileSync(at('upper/new'), 'utf8'), 'new')
  const line = mountLine(at('target'))
  t.match(line, /rw,nosuid,nodev,.*volatile/)
})

t.test('without an upper it is read-only; one layer is that directory', async (t) => {
  const at = ownDirectory(t)
  mountOverlay({ lowers: [at('b'), at('a')], target: at('target') })
  t.throws(() => writeFileSync(at('target/new'), ''), { code: 'EROFS' })
  umount(at('target'))
  mountOverlay({ lowers: [at('b')], target: at('target') })
  t.equal(readFileSync(at('target/which'), 'utf8'), 'b')
  t.throws(() => writeFileSync(at('target/new'), ''), { code: 'EROFS' })
  umount(at('target'))
  t.same(readdirSync(at('target')), [])
  writeFileSync(at('b/new'), 'the layer itself is as it was')
})

t.test('the way of older kernels does the same, as long as the paths are short', async (t) => {
  const at = ownDirectory(t)
  const layers = {
    lowers: [at('a'), at('c,d:e\\f')],
    upper: at('upper'),
    work: at('work'),
    volatile: true,
    noExec: true,
  }
  mountByOptions(at('target'), layers)
  t.same(readdirSync(at('target')).sort(), ['only-a', 'only-c', 'which'])
  const line = mountLine(at('target'))
  t.match(line, /rw,noexec,.*volatile/)
  umount(at('target'))
  const many = Array.from({ length: 300 }, (_, index) => at(`layer${index}`))
  t.throws(() => mountByOptions(at('target'), { lowers: many }), {
    errno: 'E2BIG',
    message: /this kernel takes 4095/,
  })
})

t.test('a layer that is not there is named', async (t) => {
  const at = ownDirectory(t)
  const mount = () => mountOverlay({ lowers: [at('nowhere'), at('a')], target: at('target') })
  t.throws(mount, { code: 'KERNEL', errno: 'ENOENT', message: /\/nowhere/ })
})

t.test('a detached overlay is in no mount table, and is read by its descriptor', async (t) => {
  const at = ownDirectory(t)
  const root = openOverlay({ lowers: [at('a'), at('b')] })
  t.notMatch(readFileSync('/proc/self/mounts', 'utf8'), at(''))
  const file = openInRoot(root, 'which')
  t.equal(readFileSync(file, 'utf8'), 'a')
  closeSync(file)
  closeSync(root)
})

t.test('nothing leads out of a root', async (t) => {
  const at = ownDirectory(t)
  symlinkSync('/etc/passwd', at('a/absolute'))
  symlinkSync('../../../../../etc/passwd', at('a/relative'))
  symlinkSync('/which', at('a/inside'))
  symlinkSync('/proc/self/root/etc/passwd', at('a/magic'))
  const root = openRoot(at('a'))
  t.teardown(() => closeSync(root))
  for (const path of ['absolute', 'relative', 'magic', '../../etc/passwd', '/etc/passwd']) {
    t.throws(() => openInRoot(root, path), { code: 'KERNEL', errno: 'ENOENT' }, path)
  }
  const file = openInRoot(root, '/../inside')
  t.equal(readFileSync(file, 'utf8'), 'a')
  closeSync(file)
  const made = openInRoot(root, 'made', constants.O_WRONLY | constants.O_CREAT, 0o600)
  writeSync(made, 'x')
  closeSync(made)
  t.equal(readFileSync(at('a/made'), 'utf8'), 'x')
})

t.test('a path is found while others mount', async (t) => {
  const at = ownDirectory(t)
  const root = openRoot(at('a'))
  t.teardown(() => closeSync(root))
  const script = 'while :; do mount --bind b target && umount target; done'
  const others = [1, 2].map(() =>
    spawn('unshare', ['--mount', 'sh', '-c', script], { cwd: at(''), stdio: 'ignore', detached: true }),
  )
  try {
    await delay(100)
    const deadline = Date.now() + 500
    let found = 0
    for (; Date.now() < deadline; found += 1) closeSync(openInRoot(root, '../../../../which'))
    t.ok(found > 1_000, `${found} times`)
  } finally {
    for (const other of others) {
      const ended = once(other, 'exit')
      process.kill(-(other.pid as number), 'SIGKILL')
      await ended
    }
  }
})

t.test('a bind mount shows the same files, until it is unmounted', async (t) => {
  const at = ownDirectory(t)
  bindMount(at('a'), at('target'))
  t.equal(readFileSync(at('target/which'), 'utf8'), 'a')
  umount(at('target'))
  t.same(readdirSync(at('target')), [])
  t.throws(() => umount(at('target')), { errno: 'EINVAL', message: /^unmount .*target: EINVAL/ })
  t.throws(() => bindMount(at('nowhere'), at('target')), { code: 'KERNEL', errno: 'ENOENT' })
})

t.test('a pipe is a pipe, which can be opened by its name, and no child inherits it unasked', async (t) => {
  const { read, write } = makePipe()
  const pipe = `pipe:[${statSync(`/proc/self/fd/${read}`).ino}]`
  const child = spawn('sh', ['-c', 'echo hello > /dev/stdout; readlink /proc/self/fd/*'], {
    stdio: ['ignore', write, 'inherit'],
  })
  closeSync(write)
  await once(child, 'exit')
  const said = readFileSync(read, 'utf8').trim().split('\n')
  t.equal(said[0], 'hello')
  t.same(
    said.filter((line) => line === pipe),
    [pipe],
    'it has its end, and no other',
  )
  closeSync(read)
})

t.test('a lock has one holder', async (t) => {
  const at = ownDirectory(t)
  const open = () => openSync(at('lock'), 'w')
  const [first, second] = [open(), open()]
  t.ok(lockFile(first))
  t.notOk(lockFile(second))
  closeSync(first)
  t.ok(lockFile(second))
  closeSync(second)
})

t.test('who is at the other end of a unix socket', async (t) => {
  const at = ownDirectory(t)
  const server = net.createServer().listen(at('socket'))
  await once(server, 'listening')
  const client = spawn(process.execPath, ['-e', `require('net').connect('${at('socket')}')`], {
    uid: 0,
    gid: 0,
  })
  const [connection] = await once(server, 'connection')
  t.same(peerCredentials(connection._handle.fd), { pid: client.pid, uid: 0, gid: 0 })
  connection.destroy()
  server.close()
  await once(client, 'exit')
})

t.test('free space is what df says', async (t) => {
  const at = ownDirectory(t)
  const [, available] = spawnSync('df', ['-B1', '--output=avail', at('')], { encoding: 'utf8' }).stdout.split(
    '\n',
  )
  t.ok(Math.abs(freeSpace(at('')) - Number(available)) < 64 * 2 ** 20)
  t.ok(freeSpace('/') <= statfsSync('/').blocks * statfsSync('/').bsize)
})
