import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { lockDirectory } from '../../src/store/index.ts'
import { ownState } from './own-state.ts'

const door = new URL('../../src/store/index.ts', import.meta.url).href

/** A process that takes the lock, says so and waits. */
async function holder(t: { teardown(fn: () => void): void }, directory: string): Promise<ChildProcess> {
  const program = `
    const { lockDirectory } = await import(${JSON.stringify(door)})
    const lock = await lockDirectory(${JSON.stringify(directory)}).catch((error) => console.log(error.code))
    if (lock) console.log('held')
    process.stdin.resume().on('end', () => lock?.release())
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [words] = await once(child.stdout, 'data')
  if (String(words).trim() !== 'held') throw new Error(`the holder says ${words}`)
  return child
}

t.test('a state directory has one daemon; the second is told who the first is', async (t) => {
  const directory = ownState(t)
  const child = await holder(t, directory)
  await t.rejects(lockDirectory(directory), {
    code: 'STATE_LOCKED',
    details: { pid: String(child.pid), directory },
  })
  const link = join(ownState(t), 'link')
  symlinkSync(directory, link)
  await t.rejects(lockDirectory(link), { code: 'STATE_LOCKED' }, 'by another name too')
  child.kill('SIGKILL')
  await once(child, 'close')
  const lock = await lockDirectory(directory)
  t.ok(existsSync(join(directory, 'daemon.pid')))
  await t.rejects(
    lockDirectory(directory),
    { code: 'STATE_LOCKED', details: { pid: String(process.pid) } },
    'one process has it once, too',
  )
  lock.release()
  lock.release()
  t.notOk(existsSync(join(directory, 'daemon.pid')))
})

t.test('a holder that ends lets go', async (t) => {
  const directory = ownState(t)
  const child = await holder(t, directory)
  child.stdin?.end()
  await once(child, 'close')
  using lock = await lockDirectory(directory)
  t.ok(lock)
})

t.test('of many who want it at once, one has it', async (t) => {
  const directory = ownState(t)
  const tries = await Promise.allSettled(Array.from({ length: 20 }, () => lockDirectory(directory)))
  const held = tries.filter((one) => one.status === 'fulfilled')
  t.equal(held.length, 1)
  for (const one of held) one.value.release()
})
