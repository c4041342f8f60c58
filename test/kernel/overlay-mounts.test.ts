import { closeSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { mountOverlay, openInRoot, openOverlay, umount } from '../../src/kernel/index.ts'
import { mountByOptions } from '../../src/kernel/overlay-mounts.ts'
import { ownDirectory } from './own-directory.ts'

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

t.test('any name of a directory will do, with backslashes too (F18b)', async (t) => {
  const at = ownDirectory(t)
  for (const odd of ['a\\b', '\\', 'x\\\\', 'y\\:z', 'p\\,q', 'r:s,t', '-o', 'é\n"\'']) {
    const paths = ['l', 'm', 'u', 'w', 't'].map((name) => join(at('.'), `${odd}-dir`, name + odd))
    for (const path of paths) mkdirSync(path, { recursive: true })
    const [lower = '', second = '', upper = '', work = '', target = ''] = paths
    writeFileSync(join(lower, 'old'), 'old')
    mountOverlay({ lowers: [lower, second], upper, work, target, volatile: true })
    writeFileSync(join(target, 'new'), 'new')
    t.same(readdirSync(target).sort(), ['new', 'old'], JSON.stringify(odd))
    t.same(readdirSync(upper), ['new'])
    umount(target)
  }
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

t.test('what is not mounted cannot be unmounted', async (t) => {
  const at = ownDirectory(t)
  t.throws(() => umount(at('target')), {
    name: 'KernelError',
    errno: 'EINVAL',
    message: /^unmount .*target: EINVAL/,
  })
})
