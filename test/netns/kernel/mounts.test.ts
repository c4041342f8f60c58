import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { bindMount, lockFile, umount } from '../../../netns/kernel/index.ts'
import { ownDirectory } from '../../kernel/own-directory.ts'

t.test('a bind mount shows the same files, until it is unmounted', async (t) => {
  const at = ownDirectory(t)
  bindMount(at('a'), at('target'))
  t.equal(readFileSync(at('target/which'), 'utf8'), 'a')
  umount(at('target'))
  t.same(readdirSync(at('target')), [])
  t.throws(() => umount(at('target')), { errno: 'EINVAL', message: /^unmount .*target: EINVAL/ })
  t.throws(() => bindMount(at('nowhere'), at('target')), { code: 'KERNEL', errno: 'ENOENT' })
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
