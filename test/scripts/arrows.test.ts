import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { check, checkTree, roomOf } from '../../scripts/arrows.ts'

const script = join(import.meta.dirname, '../../scripts/arrows.ts')

function tree(t: Test, files: Record<string, string>): string {
  const root = t.testdir({})
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

t.test('the program', async (t) => {
  t.test('exits 1 and names file and arrow at a forbidden import', async (t) => {
    const root = tree(t, { 'dns/zones/zone.ts': "import { bridge } from '../netns/index.ts'\n" })
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' })
    t.equal(status, 1)
    t.match(stderr, /dns\/zone\.ts -> netns\/index\.ts: dns may not import netns/)
  })

  t.test('exits 2 where it finds no file, rather than finding nothing wrong', async (t) => {
    const { status, stderr } = spawnSync(process.execPath, [script, tree(t, {})], { encoding: 'utf8' })
    t.equal(status, 2)
    t.match(stderr, /no file found/)
  })

  t.test('exits 0 for this repository, having seen its files', async (t) => {
    const { files, offences } = checkTree(join(import.meta.dirname, '../..'))
    t.ok(files > 20)
    t.same(offences, [])
  })
})

t.test('every way to write a forbidden import is seen', async (t) => {
  const ways = [
    "import { a } from '../netns/index.ts'",
    "import type { A } from '../netns/index.ts'",
    "import * as a from '../netns/index.ts'",
    "import '../netns/index.ts'",
    "export * from '../netns/index.ts'",
    "export { a } from '../netns/index.ts'",
    "import {\n  a, // it's one's own\n  b,\n} from '../netns/index.ts'",
    "const a = 1; import { b } from '../netns/index.ts'",
    "/* first */ import { b } from '../netns/index.ts'",
    "/**\n * x\n */ import { b } from '../netns/index.ts'",
    "const a = await import('../netns/index.ts')",
    "const a = await import('../netns/index.ts', { with: {} })",
    'const a = await import(`../netns/index.ts`)',
    "type A = typeof import('../netns/index.ts')",
    "new Worker(new URL('../netns/index.ts', import.meta.url))",
    'import { a } from "../netns/index.ts"',
    "import { a } from './../dns/../netns/index.ts'",
  ]
  for (const way of ways) t.equal(check('dns/zones/zone.ts', way).length, 1, way)
})

t.test('what is allowed passes', async (t) => {
  const cases: [path: string, text: string][] = [
    ['dns/zones/zone.ts', "import { name } from './name.ts'"],
    ['dns/zones/zone.ts', "import { readFile } from 'node:fs/promises'"],
    ['dns/zones/zone.ts', " * import { a } from '../netns/index.ts'"],
    ['src/network/network.ts', "import { zone } from '../../dns/index.ts'"],
    ['src/network/network.ts', "import { moorageError } from '../errors.ts'"],
    ['src/engine/engine.ts', "import type { Runtime } from '../runtime/runtime.ts'"],
    ['netns/kernel/libc.ts', "import koffi from 'koffi'"],
    ['src/index.ts', " * import { connect } from 'moorage'"],
  ]
  for (const [path, text] of cases) t.same(check(path, text), [], `${path}: ${text}`)
})

t.test('what else is refused', async (t) => {
  const cases: [path: string, text: string, words: RegExp][] = [
    ['src/network/a.ts', "import '../../dns/zones/zone.ts'", /entered by its index\.ts only/],
    ['src/runtime/a.ts', "import './oci/index.ts'", /src\/runtime may not import src\/runtime\/oci/],
    ['src/client/a.ts', "import '../engine/index.ts'", /src\/client may not import src\/engine/],
    ['src/lifecycle/a.ts', "import '../store/index.ts'", /src\/lifecycle may not import src\/store/],
    ['dns/a.ts', "import '../src/errors.ts'", /dns may not import src\/errors\.ts/],
    ['netns/a.ts', "import '../test/a.ts'", /in no room of the design/],
    ['src/nowhere/a.ts', '', /stands in no room/],
    ['src/client/a.ts', "import 'moorage/engine'", /does not import itself/],
    ['src/client/a.ts', "import { z } from 'zod'", /src\/client may not import this package/],
    ['netns/bridge.ts', "import koffi from 'koffi'", /netns may not import this package/],
  ]
  for (const [path, text, words] of cases) {
    const offences = check(path, text)
    t.equal(offences.length, 1, `${path}: ${text}`)
    t.match(offences[0], words)
  }
})

t.test('a room is the longest of the names that a path starts with', async (t) => {
  t.equal(roomOf('netns/kernel/libc.ts'), 'netns/kernel')
  t.equal(roomOf('netns/network.ts'), 'netns')
  t.equal(roomOf('src/runtime/oci/launcher/launcher.ts'), 'src/runtime/oci')
  t.equal(roomOf('src/enginery/a.ts'), undefined)
})
