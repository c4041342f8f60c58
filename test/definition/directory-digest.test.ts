import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { digestDirectory, sha256OfJson } from '../../src/definition/index.ts'
import { removeTree } from '../remove-tree.ts'

/** A directory of these files; a name that ends in a slash is a directory. */
function directory(files: Record<string, string>): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'moorage-digest-'))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(name.endsWith('/') ? join(path, name) : dirname(join(path, name)), { recursive: true })
    if (!name.endsWith('/')) writeFileSync(join(path, name), content)
  }
  return { path, [Symbol.dispose]: () => removeTree(path) }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

t.test('the digest is that of the paths, types, exec bits, contents and link targets', async (t) => {
  using tree = directory({ 'b/two': 'zwei', 'a-file': 'eins', 'b/run': '#!', 'empty/': '' })
  chmodSync(join(tree.path, 'b/run'), 0o755)
  symlinkSync('../a-file', join(tree.path, 'b/link'))
  const { digest, paths } = await digestDirectory(tree.path)
  t.same(paths, ['a-file', 'b', 'b/link', 'b/run', 'b/two', 'empty'])
  t.equal(
    digest,
    sha256OfJson({
      directory: [
        ['a-file', 'file', sha256('eins')],
        ['b', 'directory', ''],
        ['b/link', 'link', '../a-file'],
        ['b/run', 'executable', sha256('#!')],
        ['b/two', 'file', sha256('zwei')],
        ['empty', 'directory', ''],
      ],
    }),
  )
})

t.test('times, owners and the place do not matter, everything else does', async (t) => {
  const files = { 'a/b': 'x', c: 'y' }
  using one = directory(files)
  const { digest } = await digestDirectory(one.path)
  const other = async (change: (path: string) => void) => {
    using copy = directory(files)
    change(copy.path)
    return (await digestDirectory(copy.path)).digest
  }
  const same: Record<string, (path: string) => void> = {
    nothing: () => undefined,
    time: (path) => utimesSync(join(path, 'c'), 0, 0),
    'permissions but the exec bit': (path) => chmodSync(join(path, 'c'), 0o600),
  }
  for (const [what, change] of Object.entries(same)) t.equal(await other(change), digest, what)
  const different: Record<string, (path: string) => void> = {
    content: (path) => writeFileSync(join(path, 'c'), 'z'),
    'the exec bit': (path) => chmodSync(join(path, 'c'), 0o755),
    'one more directory': (path) => mkdirSync(join(path, 'd')),
    'one file less': (path) => rmSync(join(path, 'c')),
    'a link instead of a file': (path) => {
      rmSync(join(path, 'c'))
      symlinkSync('a/b', join(path, 'c'))
    },
  }
  const seen = new Set([digest])
  for (const [what, change] of Object.entries(different)) {
    const changed = await other(change)
    t.notOk(seen.has(changed), what)
    seen.add(changed)
  }
})

t.test('a link is not followed, wherever it points', async (t) => {
  using tree = directory({})
  symlinkSync('/etc', join(tree.path, 'out'))
  symlinkSync('nowhere', join(tree.path, 'broken'))
  t.same((await digestDirectory(tree.path)).paths, ['broken', 'out'])
})

t.test('include and exclude take globs; a directory’s stand for all that is in it', async (t) => {
  using tree = directory({
    'src/index.ts': '',
    'src/.env': '',
    'src/deep/er/x.ts': '',
    'src/deep/note.md': '',
    '.git/config': '',
    'node_modules/a/index.js': '',
    'src/node_modules/b/index.js': '',
    'readme.md': '',
    'empty/': '',
  })
  const cases: [string, { include?: string[]; exclude?: string[] }, string[]][] = [
    [
      'nothing but a directory by its name',
      { include: ['src/deep'] },
      ['src', 'src/deep', 'src/deep/er', 'src/deep/er/x.ts', 'src/deep/note.md'],
    ],
    [
      'however it is written',
      { include: ['./src/deep/'], exclude: ['*/deep/er'] },
      ['src', 'src/deep', 'src/deep/note.md'],
    ],
    [
      'names with a dot too',
      { include: ['src/*'], exclude: ['src/deep', 'src/node_modules'] },
      ['src', 'src/.env', 'src/index.ts'],
    ],
    [
      'one kind of file, with what it is in',
      { include: ['**/*.ts'] },
      ['src', 'src/deep', 'src/deep/er', 'src/deep/er/x.ts', 'src/index.ts'],
    ],
    ['exclude wins', { include: ['readme.md', 'src/.env'], exclude: ['**/.env'] }, ['readme.md']],
    [
      'at any depth',
      { exclude: ['**/node_modules', '.git', 'src/deep'] },
      ['empty', 'readme.md', 'src', 'src/.env', 'src/index.ts'],
    ],
    ['nothing matches', { include: ['no/such'] }, []],
    ['braces', { include: ['{readme.md,.git}'] }, ['.git', '.git/config', 'readme.md']],
  ]
  for (const [what, filter, paths] of cases)
    t.same((await digestDirectory(tree.path, filter)).paths, paths, what)
})

t.test('an excluded directory is not looked into', async (t) => {
  using tree = directory({ 'secret/x': '' })
  execFileSync('mkfifo', [join(tree.path, 'secret/pipe')])
  t.same((await digestDirectory(tree.path, { exclude: ['secret'] })).paths, [])
})

t.test('what cannot be sent is an error that names it', async (t) => {
  using tree = directory({ 'a/file': '' })
  execFileSync('mkfifo', [join(tree.path, 'a/pipe')])
  const code = 'DIRECTORY_UNREADABLE'
  await t.rejects(digestDirectory(tree.path), { code, message: /a\/pipe cannot be read: devices/ })
  await t.rejects(digestDirectory(join(tree.path, 'none')), { code, message: /it does not exist/ })
  await t.rejects(digestDirectory(join(tree.path, 'a/file')), { code, message: /it is not a directory/ })
  writeFileSync(Buffer.concat([Buffer.from(join(tree.path, 'x')), Buffer.from([0xff])]), '')
  rmSync(join(tree.path, 'a/pipe'))
  await t.rejects(digestDirectory(tree.path), { code, message: /not UTF-8/ })
})

t.test('large files are hashed without being held in memory', async (t) => {
  using tree = directory({ large: 'x'.repeat(3 * 1024 * 1024) })
  t.equal(
    (await digestDirectory(tree.path)).digest,
    sha256OfJson({ directory: [['large', 'file', sha256('x'.repeat(3 * 1024 * 1024))]] }),
  )
})

t.test('the order is by name, the same in every locale', async (t) => {
  using tree = directory({ b: '', B: '', a: '', ä: '', 'a-b/c': '', 'a.b': '' })
  t.same((await digestDirectory(tree.path)).paths, ['B', 'a', 'a-b', 'a-b/c', 'a.b', 'b', 'ä'])
})

t.test(
  'the mode of the directory itself is in the rooted digest, unless it is the usual one (B1)',
  async (t) => {
    using tree = directory({ a: 'x' })
    const digests = async (mode: number) => {
      chmodSync(tree.path, mode)
      return digestDirectory(tree.path)
    }
    const usual = await digests(0o755)
    t.equal(usual.rooted, usual.digest)
    const seen = new Set([usual.rooted])
    for (const mode of [0o700, 0o750, 0o2755, 0o1777]) {
      const { digest, rooted } = await digests(mode)
      t.equal(digest, usual.digest)
      t.notOk(seen.has(rooted), mode.toString(8))
      seen.add(rooted)
    }
  },
)
