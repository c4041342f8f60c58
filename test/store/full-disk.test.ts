import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { problemsOf } from '../../src/engine/calls/problems.ts'
import { openStore } from '../../src/store/index.ts'
import { digest, entries } from './own-state.ts'
import { fill, smallDisk } from './small-disk.ts'

t.test('on a disk that is nearly full nothing is begun', async (t) => {
  const place = smallDisk(t, 16)
  await t.rejects(openStore(join(place, 'state')), {
    code: 'DISK_LOW',
    message: /^only 1\d\.\d MiB are free on the filesystem of .*, less than 64\.0 MiB$/,
  })
})

t.test('a disk that fills up is told as that, and what is kept stays', async (t) => {
  const directory = join(smallDisk(t, 80), 'state')
  const ballast = join(directory, 'ballast')
  {
    await using store = await openStore(directory)
    store.ensureSpace()
    t.equal(store.free().total, 80 * 1024 * 1024)
    const keep = async (number: number) =>
      store.results.adopt({
        digest: digest(number),
        upper: await store.temporary(),
        logs: await store.temporary(),
        exitCode: 0,
      })
    await keep(0)
    fill(ballast)
    t.equal(store.free().bytes, 0)
    t.throws(() => store.ensureSpace(), { code: 'DISK_LOW' })
    const networks = { on: true, list: () => [] } as unknown as Parameters<typeof problemsOf>[0]
    t.match(problemsOf(networks, store), [{ code: 'DISK_LOW' }], '`status` lists it as a problem (E24)')
    const tries = async () => {
      // The index has a little room of its own before it must grow.
      for (let number = 1; number < 1_000; number += 1) await keep(number)
    }
    await t.rejects(tries(), { code: 'DISK_FULL', details: { path: directory } })
    const rows = store.results.list().length
    t.equal(entries(directory, 'results').length, rows, 'what could not be written down is not there')
    t.ok(store.results.get(digest(0)))
    rmSync(ballast)
    await keep(1_000)
    t.ok(store.results.get(digest(1_000)), 'with room again it works again')
  }
  await using store = await openStore(directory)
  t.ok(store.results.get(digest(0)))
  t.ok(store.results.get(digest(1_000)))
})
