import { chmodSync, mkdtempSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { makeChosenDirectory, makeDirectory } from '../src/make-directory.ts'
import { removeTree } from './remove-tree.ts'

const here = mkdtempSync(join(tmpdir(), 'moorage-make-'))
t.teardown(() => removeTree(here))
const modeOf = (path: string) => statSync(path).mode & 0o777

t.test('a directory and those on the way, by many at once', async (t) => {
  const path = join(here, 'a/b/c')
  await Promise.all(Array.from({ length: 20 }, () => makeDirectory(path, 0o700)))
  t.same([modeOf(path), modeOf(join(path, '..'))], [0o700, 0o700])
  chmodSync(path, 0o750)
  symlinkSync(path, join(here, 'link'))
  for (const there of [path, join(here, 'link'), '/', '/proc']) await makeDirectory(there)
  t.equal(modeOf(path), 0o750, 'what is there stays as it is')
})

t.test('where there can be none, that is told', async (t) => {
  writeFileSync(join(here, 'file'), '')
  symlinkSync('nowhere', join(here, 'broken'))
  for (const [path, code] of [
    ['/proc/nothing/x/y', 'ENOENT'],
    ['/proc/nothing', 'ENOENT'],
    [join(here, 'file'), 'EEXIST'],
    [join(here, 'file/x/y'), 'ENOTDIR'],
    [join(here, 'broken'), 'EEXIST'],
    [join(here, 'broken/x'), 'EEXIST'],
    [join(here, 'x'.repeat(300), 'y'), 'ENAMETOOLONG'],
  ] as const) {
    await t.rejects(makeDirectory(path), { code }, path)
  }
  await t.rejects(makeChosenDirectory('--there', '/proc/nothing/x', 0o700), {
    code: 'INVALID_OPTION',
    message: /^--there: its directory cannot be made: ENOENT/,
  })
})
