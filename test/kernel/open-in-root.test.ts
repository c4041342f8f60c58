import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, readFileSync, symlinkSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { NetnsError } from '../../netns/index.ts'
import { KernelError, openInRoot, openRoot } from '../../src/kernel/index.ts'
import { ownDirectory } from './own-directory.ts'

t.test('a missing file is an error of the kernel, and none of networks', async (t) => {
  const at = ownDirectory(t)
  const root = openRoot(at('a'))
  t.teardown(() => closeSync(root))
  try {
    openInRoot(root, 'missing')
    t.fail('it was opened')
  } catch (error) {
    t.type(error, KernelError)
    t.notOk(error instanceof NetnsError)
    t.match(error, { name: 'KernelError', errno: 'ENOENT', message: /^open missing: ENOENT \(no such file/ })
  }
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
