import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openStore } from '../../src/store/index.ts'
import { removeTree } from '../remove-tree.ts'
import { digest, entries, ownState } from './own-state.ts'

/** Runs it until it has said so much, and a little longer, and kills it; returns what it said. */
async function killedAfter(lines: number, spins: number, args: string[]): Promise<string[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'adopting.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
    if (said.split('\n').length <= lines) return
    // It goes on meanwhile: each round is killed at another point.
    for (let i = 0; i < spins * 20_000; i += 1) Math.sqrt(i)
    child.kill('SIGKILL')
  })
  await once(child, 'close')
  return said.split('\n').slice(0, -1)
}

t.test('kill -9 at any moment leaves what was kept, and nothing half-done', async (t) => {
  const directory = ownState(t)
  const kept = new Set<number>()
  let next = 0
  for (let round = 0; round < 12; round += 1) {
    for (const line of await killedAfter(3 + round, round * 3, [directory, String(next)])) {
      if (line.startsWith('-')) kept.delete(Number(line.slice(1)))
      else kept.add(Number(line))
      next = Math.max(next, Math.abs(Number(line)) + 1)
    }
    await using store = await openStore(directory)
    t.same(entries(directory, 'tmp'), [])
    for (const number of kept) {
      const places = [
        store.images.get(digest(number))?.rootfs,
        store.trees.path(digest(number)),
        store.results.get(digest(number))?.layer,
        store.results.get(digest(number))?.logs,
      ]
      // Its removal may have been under way.
      const wanted = number % 3 === 1 ? places.slice(0, 2) : places
      const texts = wanted.map((place) => readFileSync(join(place ?? '', 'number'), 'utf8'))
      t.same(new Set(texts), new Set([String(number)]), `all of ${number} is there`)
      t.equal(store.images.pin(`x:${number}`)?.digest, digest(number))
    }
    const whole = (place: string) => readFileSync(join(place, 'number'), 'utf8') !== ''
    t.ok(store.images.list().every(({ rootfs }) => whole(rootfs)))
    t.ok(store.results.list().every(({ layer, logs }) => whole(layer) && whole(logs)))
    t.equal(entries(directory, 'images').length, store.images.list().length, 'no image without a row')
    t.equal(entries(directory, 'results').length, store.results.list().length, 'no result without a row')
    // What was begun and not said is known by its digest: the next round begins after it.
    while (store.images.get(digest(next)) || store.trees.has(digest(next))) next += 1
  }
  t.ok(kept.size > 30)
})

t.test('a directory without a row goes, and a row without a directory', async (t) => {
  const directory = ownState(t)
  {
    await using store = await openStore(directory)
    for (const number of [1, 2]) {
      await store.results.adopt({
        digest: digest(number),
        upper: await store.temporary(),
        logs: await store.temporary(),
        exitCode: 0,
      })
      await store.trees.adopt(digest(number), await store.temporary())
    }
    removeTree(join(store.results.get(digest(1))?.layer ?? '', '..'))
    removeTree(store.trees.path(digest(1)))
  }
  mkdirSync(join(directory, 'results/stray/layer'), { recursive: true })
  mkdirSync(join(directory, 'images/stray'))
  mkdirSync(join(directory, 'tmp/t-stray'), { recursive: true })
  writeFileSync(join(directory, 'tmp/t-stray/file'), '')
  writeFileSync(join(directory, 'trees/stray'), 'a file')
  await using store = await openStore(directory)
  t.same(
    store.results.list().map((result) => result.digest),
    [digest(2)],
  )
  t.notOk(store.trees.has(digest(1)))
  t.ok(store.trees.has(digest(2)))
  t.equal(entries(directory, 'results').length, 1)
  t.equal(entries(directory, 'trees').length, 1)
  t.same(entries(directory, 'images'), [])
  t.same(entries(directory, 'tmp'), [])
})
