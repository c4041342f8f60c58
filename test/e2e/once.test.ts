import t from 'tap'
import { busyboxRoot } from './busybox-root.ts'
import { attached, letGo, onceContainer, startCallers } from './once.ts'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'

t.setTimeout(240_000)

const long = process.env.MOORAGE_LONG === '1'
const callers = long ? 1_000 : 240
const processes = long ? 20 : 4
const each = callers / processes
const seed = Number(process.env.SEED ?? Date.now() % 100_000)

t.test(`${callers} callers in ${processes} processes, one effect (SEED=${seed})`, async (t) => {
  using directories = ownDirectories()
  using root = busyboxRoot()
  await using daemon = await startDaemon(directories)
  const { host } = daemon
  await using moorage = await daemon.connect()

  await t.test('all are served by one run', async (t) => {
    const volume = 'all'
    await using group = await startCallers(
      Array.from({ length: processes }, () => ({ host, root: root.path, volume, callers: each, leave: [] })),
    )
    const called = group.call()
    await until('all are attached', async () => (await attached(host)) === callers, 60_000)
    await letGo(moorage, root.path, volume)
    t.same(await called.ended, { answers: { 'line\n': callers }, cancelled: 0, failures: [] })
  })

  await t.test('half of them go at random moments, the others are served', async (t) => {
    const volume = 'half'
    const random = sequence(seed)
    await using group = await startCallers(
      Array.from({ length: processes }, () => ({
        host,
        root: root.path,
        volume,
        callers: each,
        leave: Array.from({ length: each / 2 }, () => Math.floor(random() * 1_500)),
      })),
    )
    const called = group.call()
    // On a slow machine some have gone before they were attached, which is a random moment as well.
    await called.left
    await until('those who stay are attached', async () => (await attached(host)) === callers / 2, 60_000)
    await letGo(moorage, root.path, volume)
    const { answers, cancelled, failures } = await called.ended
    t.same(answers, { 'line\n': callers / 2 })
    t.equal(cancelled, callers / 2)
    t.same(failures, [])
  })

  await t.test(
    'when all have gone the run is interrupted, and who comes then gets one of its own',
    async (t) => {
      const volume = 'none'
      const container = onceContainer(moorage, root.path, volume)
      const gone = new AbortController()
      const calls = Array.from({ length: 50 }, () => container.stdout({ signal: gone.signal }))
      await until('all are attached', async () => (await attached(host)) === 50)
      gone.abort()
      for (const outcome of await Promise.allSettled(calls)) t.equal(outcome.status, 'rejected')
      const late = container.stdout()
      await until('it runs again', async () => (await attached(host)) === 1)
      await letGo(moorage, root.path, volume)
      t.equal(await late, 'line\nline\n')
    },
  )
})

t.test('a finished result is answered by the next daemon, without a run', async (t) => {
  using directories = ownDirectories()
  using root = busyboxRoot()
  const volume = 'restart'
  for (const life of ['the first', 'after SIGTERM', 'after SIGKILL']) {
    await using daemon = await startDaemon(directories)
    await using moorage = await daemon.connect()
    if (life === 'the first') await letGo(moorage, root.path, volume)
    t.equal(await onceContainer(moorage, root.path, volume).stdout(), 'line\n', life)
    if (life === 'after SIGTERM') await daemon.stop('SIGKILL')
  }
})

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function sequence(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
