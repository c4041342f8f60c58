import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { difference, findLeftovers, takePicture } from '../../scripts/leftovers.ts'

const nowhere = '/no/such/repository'

t.test('a process and a directory that stay behind are named; once they are gone, nothing is', async (t) => {
  const before = takePicture(nowhere)
  const directory = mkdtempSync(join(tmpdir(), 'moorage-left-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const child = spawn('sh', ['-c', 'echo here; read line', 'moorage-left-behind'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')

  const ours = (things: string[]) =>
    things.filter(
      (thing) => thing.includes('left-behind') || thing.includes(directory.slice(tmpdir().length + 1)),
    )
  t.match(ours(difference(before, takePicture(nowhere))), [
    new RegExp(`^process ${child.pid} sh -c .*moorage-left-behind`),
    /^temporary directory moorage-left-/,
  ])

  const exit = once(child, 'exit')
  child.stdin.end()
  await exit
  rmSync(directory, { recursive: true })
  t.same(ours(await findLeftovers(before, nowhere, 0)), [])
})

t.test('what was there before does not count', async (t) => {
  const before = new Map([['nft table', new Set(['table inet theirs'])]])
  const after = new Map([['nft table', new Set(['table inet theirs', 'table inet moorage_x'])]])
  t.same(difference(before, after), ['nft table table inet moorage_x'])
})
