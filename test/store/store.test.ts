import { mkdirSync, mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type ImageConfig, openStore, type Store } from '../../src/store/index.ts'
import { removeTree } from '../remove-tree.ts'
import { digest, entries, ownState } from './own-state.ts'

const config: ImageConfig = {
  entrypoint: ['/entry'],
  cmd: ['serve'],
  env: ['A=b'],
  user: 'redis',
  workdir: '/data',
  exposedPorts: [{ port: 6379, protocol: 'tcp' }],
  stopSignal: 'SIGINT',
  healthcheck: { Test: ['CMD', 'true'] },
}

async function directoryWith(store: Store, name: string, text: string): Promise<string> {
  const directory = await store.temporary()
  writeFileSync(join(directory, name), text)
  return directory
}

t.test('what is kept is there when the store is opened again, and nothing else', async (t) => {
  const directory = ownState(t)
  {
    await using store = await openStore(directory)
    const rootfs = await directoryWith(store, 'hello', 'image')
    const image = await store.images.adopt({ digest: digest(1), config, rootfs, source: 'here/it:1' })
    t.equal(readFileSync(join(image.rootfs, 'hello'), 'utf8'), 'image')
    t.throws(() => statSync(rootfs), { code: 'ENOENT' }, 'it was moved, not copied')
    store.images.setPin('here/it:1', digest(1))
    await store.trees.adopt(digest(2), await directoryWith(store, 'hello', 'tree'))
    const upper = await directoryWith(store, 'hello', 'layer')
    const logs = await directoryWith(store, '0', 'log')
    await store.results.adopt({ digest: digest(3), upper, logs, exitCode: 7 })
    writeFileSync(join(store.volumes.path('cache'), 'hello'), 'volume')
    await store.temporary()
  }
  await using store = await openStore(directory)
  t.equal(store.images.pin('here/it:1')?.digest, digest(1))
  t.equal(store.images.pin('here/it:2'), undefined)
  const image = store.images.get(digest(1))
  t.match(image, { digest: digest(1), source: 'here/it:1', config })
  t.equal(readFileSync(join(image?.rootfs ?? '', 'hello'), 'utf8'), 'image')
  t.same(store.images.list(), [image])
  t.ok(store.trees.has(digest(2)))
  t.notOk(store.trees.has(digest(1)))
  t.equal(readFileSync(join(store.trees.path(digest(2)), 'hello'), 'utf8'), 'tree')
  const result = store.results.get(digest(3))
  t.match(result, { digest: digest(3), exitCode: 7, createdAt: Number })
  t.equal(readFileSync(join(result?.layer ?? '', 'hello'), 'utf8'), 'layer')
  t.equal(readFileSync(join(result?.logs ?? '', '0'), 'utf8'), 'log')
  t.same(store.results.list(), [result])
  t.same(store.volumes.list(), ['cache'])
  t.equal(readFileSync(join(store.volumes.path('cache'), 'hello'), 'utf8'), 'volume')
  t.same(entries(directory, 'tmp'), [])
})

t.test('the state directory is for root only, even one that was there before', async (t) => {
  const directory = join(ownState(t), 'state')
  mkdirSync(directory, { mode: 0o755 })
  await using store = await openStore(directory)
  t.equal(statSync(store.directory).mode & 0o777, 0o700)
})

t.test('an image or a tree that is here already stays where it is: somebody may stand on it', async (t) => {
  await using store = await openStore(ownState(t))
  const image = { digest: digest(1), config, source: 'x' }
  const first = await store.images.adopt({ ...image, rootfs: await directoryWith(store, 'which', 'first') })
  const again = await store.images.adopt({ ...image, rootfs: await directoryWith(store, 'which', 'second') })
  t.equal(again.rootfs, first.rootfs)
  t.equal(readFileSync(join(first.rootfs, 'which'), 'utf8'), 'first')
  await store.trees.adopt(digest(1), await directoryWith(store, 'which', 'first'))
  const tree = store.trees.path(digest(1))
  await store.trees.adopt(digest(1), await directoryWith(store, 'which', 'second'))
  t.equal(readFileSync(join(tree, 'which'), 'utf8'), 'first')
  t.throws(() => store.trees.path(digest(9)), { code: 'BLOB_MISSING' })
})

t.test('of two results of one digest the newer counts; the older goes with the next start', async (t) => {
  const directory = ownState(t)
  {
    await using store = await openStore(directory)
    const adopt = async (text: string) =>
      store.results.adopt({
        digest: digest(1),
        upper: await directoryWith(store, 'which', text),
        logs: await store.temporary(),
        exitCode: 0,
      })
    const first = await adopt('first')
    const second = await adopt('second')
    t.equal(readFileSync(join(first.layer, 'which'), 'utf8'), 'first', 'who stands on it still can')
    t.same(store.results.get(digest(1)), second)
    t.equal(store.results.list().length, 1)
  }
  await using store = await openStore(directory)
  t.equal(entries(directory, 'results').length, 1)
  t.equal(readFileSync(join(store.results.get(digest(1))?.layer ?? '', 'which'), 'utf8'), 'second')
})

t.test('what is removed is gone, without following its links', async (t) => {
  const directory = ownState(t)
  const outside = mkdtempSync(join(tmpdir(), 'moorage-outside-'))
  t.teardown(() => removeTree(outside))
  writeFileSync(join(outside, 'precious'), 'x')
  await using store = await openStore(directory)
  const upper = await store.temporary()
  symlinkSync(outside, join(upper, 'link'))
  await store.results.adopt({ digest: digest(1), upper, logs: await store.temporary(), exitCode: 0 })
  await store.results.remove(digest(1))
  t.equal(store.results.get(digest(1)), undefined)
  t.same(entries(directory, 'results'), [])
  await store.results.remove(digest(1))
  symlinkSync(outside, join(store.volumes.path('v'), 'link'))
  await store.volumes.remove('v')
  await store.volumes.remove('v')
  t.same(store.volumes.list(), [])
  t.same(entries(directory, 'tmp'), [])
  t.equal(readFileSync(join(outside, 'precious'), 'utf8'), 'x')
})

t.test('a volume cannot be outside of its directory, whatever its name', async (t) => {
  await using store = await openStore(ownState(t))
  for (const name of ['', '.', '..', '../up', '/etc', 'a/b', 'a\0b', '.hidden', 'x'.repeat(129)]) {
    t.throws(() => store.volumes.path(name), { code: 'INVALID_OPTION' }, JSON.stringify(name))
    await t.rejects(store.volumes.remove(name), { code: 'INVALID_OPTION' })
  }
  t.equal(store.volumes.path('a'), store.volumes.path('a'), 'one directory for each name')
  t.not(store.volumes.path('a'), store.volumes.path('b'))
})

t.test('closing twice is closing once', async (t) => {
  const store = await openStore(ownState(t))
  await store.close()
  await t.resolves(store.close())
})
