import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { openStore } from '../../src/store/index.ts'
import { openIndex } from '../../src/store/schema.ts'
import { digest, ownState } from './own-state.ts'

t.test('an index of an earlier version is brought forward, and kept beside it as it was', async (t) => {
  const directory = ownState(t)
  const first = 'CREATE TABLE things (name TEXT PRIMARY KEY) STRICT;'
  const second = 'ALTER TABLE things ADD COLUMN colour TEXT;'
  const before = openIndex(directory, [first])
  before.exec(`INSERT INTO things VALUES ('boat')`)
  before.close()
  t.notOk(existsSync(join(directory, 'index.v1.db')), 'a fresh one has nothing to keep')
  const after = openIndex(directory, [first, second])
  t.same({ ...after.prepare('SELECT * FROM things').get() }, { name: 'boat', colour: null })
  after.close()
  const backup = new DatabaseSync(join(directory, 'index.v1.db'), { readOnly: true })
  t.same({ ...backup.prepare('SELECT * FROM things').get() }, { name: 'boat' })
  backup.close()
})

t.test('a step that fails changes nothing', async (t) => {
  const directory = ownState(t)
  const first = 'CREATE TABLE things (name TEXT PRIMARY KEY) STRICT;'
  openIndex(directory, [first]).close()
  t.throws(() => openIndex(directory, [first, 'CREATE TABLE more (a TEXT); DROP TABLE nothing;']))
  const same = openIndex(directory, [first])
  t.same(same.prepare(`SELECT name FROM sqlite_schema WHERE name = 'more'`).all(), [])
  same.close()
})

t.test('an index of a later version is not touched', async (t) => {
  const directory = ownState(t)
  await (await openStore(directory)).close()
  const index = new DatabaseSync(join(directory, 'index.db'))
  index.exec('PRAGMA user_version = 99')
  index.close()
  await t.rejects(openStore(directory), {
    code: 'STATE_UNREADABLE',
    message: /its index has version 99, and this Moorage knows \d+ at most/,
  })
})

t.test('a damaged index is told as that', async (t) => {
  const directory = ownState(t)
  writeFileSync(join(directory, 'index.db'), 'not a database'.repeat(1_000))
  await t.rejects(openStore(directory), { code: 'STATE_UNREADABLE', message: /index\.db is damaged/ })
})

t.test('pins survive what they point to', async (t) => {
  await using store = await openStore(ownState(t))
  store.images.setPin('x', digest(1))
  store.images.setPin('x', digest(2))
  t.match(store.images.pin('x'), { digest: digest(2), pinnedAt: Number })
  t.equal(store.images.get(digest(2)), undefined)
})
