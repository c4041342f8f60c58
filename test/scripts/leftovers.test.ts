import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import {
  contentsOf,
  describeLeft,
  difference,
  endMarked,
  findLeftovers,
  takePicture,
} from '../../scripts/leftovers.ts'
import { removeTree } from '../remove-tree.ts'

const mark = `left-behind-${process.pid}`

t.test('a process and a directory that stay behind are named, and can be ended', async (t) => {
  const ownTemporary = t.testdir({})
  const before = takePicture(mark, ownTemporary)
  const directory = mkdtempSync(join(ownTemporary, 'any-name-'))
  mkdtempSync(join(ownTemporary, 'crun.'))
  const shared = mkdtempSync(join('/dev/shm', 'left-'))
  t.teardown(() => removeTree(shared))
  // A grandchild, whose parent has ended: nothing but its environment tells whose it is.
  const child = spawn('sh', ['-c', 'sleep 30 & echo here'], {
    env: { ...process.env, MARK: mark },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  await once(child, 'exit')

  const ours = (things: string[]) =>
    things.filter((thing) =>
      [directory, shared].some((path) => thing.includes('sleep 30') || thing.endsWith(` ${basename(path)}`)),
    )
  const found = ours(difference(before, takePicture(mark, ownTemporary)))
  t.match(found, [/^process \d+ .*sleep 30/, /^temporary file any-name-/, /^file in \/dev\/shm left-/])

  await endMarked(mark)
  removeTree(directory)
  removeTree(shared)
  t.same(ours(await findLeftovers(before, mark, ownTemporary, 0)), [])
})

t.test('a directory that was left says what is in it, a file only its name', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-left-'))
  t.teardown(() => removeTree(directory))
  const thing = `temporary file ${basename(directory)}`
  t.equal(describeLeft(thing, dirname(directory)), `${thing}: empty`)
  mkdirSync(join(directory, 'run/deep'), { recursive: true })
  writeFileSync(join(directory, 'run/deep/er'), 'not told')
  writeFileSync(join(directory, 'state'), 'not told')
  const [run, state] = contentsOf(directory).slice(0, 2).sort()
  t.same([run, state], ['run/', 'state'], 'what is near comes first')
  t.same(contentsOf(directory).slice(2), ['run/deep/', 'run/deep/er'])
  t.ok(describeLeft(thing, dirname(directory)).endsWith(' run/deep/ run/deep/er'))
  for (let at = 0; at < 20; at++) writeFileSync(join(directory, `f${at}`), '')
  t.equal(contentsOf(directory).length, 11)
  t.equal(contentsOf(directory).at(-1), '…')
  for (const other of ['temporary file moorage-gone', 'cgroup /sys/fs/cgroup/moorage-x']) {
    t.equal(describeLeft(other, dirname(directory)), other)
  }
})

t.test('what was there before does not count', async (t) => {
  const before = new Map([['nft table', new Set(['table inet theirs'])]])
  const after = new Map([['nft table', new Set(['table inet theirs', 'table inet moorage_x'])]])
  t.same(difference(before, after), ['nft table table inet moorage_x'])
})
