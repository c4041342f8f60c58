import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, readFileSync, statSync } from 'node:fs'
import t from 'tap'
import { makePipe, setPipeSize } from '../../src/kernel/index.ts'

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

t.test('a pipe holds as much as it is set to, as far as the kernel allows', async (t) => {
  const { read, write } = makePipe()
  t.teardown(() => [read, write].map(closeSync))
  t.ok(setPipeSize(read, 1024 * 1024))
  const filler =
    'import os, sys\nos.set_blocking(1, False)\nprint(os.write(1, bytes(1 << 21)), file=sys.stderr)'
  const held = spawn('python3', ['-c', filler], { stdio: ['ignore', write, 'pipe'] })
  const [said] = await once(held.stderr as NonNullable<typeof held.stderr>, 'data')
  t.equal(Number(said), 1024 * 1024)
  t.notOk(setPipeSize(-1, 4096))
})
