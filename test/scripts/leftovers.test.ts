import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { difference, endMarked, findLeftovers, takePicture } from '../../scripts/leftovers.ts'

const mark = `left-behind-${process.pid}`

t.test('a process and a directory that stay behind are named, and can be ended', async (t) => {
  const before = takePicture(mark)
  const directory = mkdtempSync(join(tmpdir(), 'moorage-left-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  // A grandchild, whose parent has ended: nothing but its environment tells whose it is.
  const child = spawn('sh', ['-c', 'sleep 30 & echo here'], {
    env: { ...process.env, MARK: mark },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  await once(child, 'exit')

  const ours = (things: string[]) =>
    things.filter((thing) => thing.includes('sleep 30') || directory.endsWith(thing.split(' ').at(-1) ?? ''))
  const found = ours(difference(before, takePicture(mark)))
  t.match(found, [/^process \d+ .*sleep 30/, /^temporary directory moorage-left-/])

  await endMarked(mark)
  rmSync(directory, { recursive: true })
  t.same(ours(await findLeftovers(before, mark, 0)), [])
})

t.test('what was there before does not count', async (t) => {
  const before = new Map([['nft table', new Set(['table inet theirs'])]])
  const after = new Map([['nft table', new Set(['table inet theirs', 'table inet moorage_x'])]])
  t.same(difference(before, after), ['nft table table inet moorage_x'])
})
