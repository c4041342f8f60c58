import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { check, checkTree, roomOf } from '../../scripts/arrows.ts'
import { common, packages, rooms, wideFolders } from '../../scripts/house.ts'
import { findCycles } from '../../scripts/import-cycles.ts'
import { importsOf } from '../../scripts/imports.ts'

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
    const root = tree(t, { 'dns/zones/zone.ts': "import { bridge } from '../../netns/index.ts'\n" })
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' })
    t.equal(status, 1)
    t.match(stderr, /dns\/zones\/zone\.ts -> netns\/index\.ts: dns may not import netns/)
  })

  t.test('exits 1 at a forbidden arrow between two wings of a room', async (t) => {
    const root = tree(t, {
      'dns/wire/name.ts': "import { zone } from '../zones/zone.ts'\n",
      'dns/zones/zone.ts': 'export const zone = 1\n',
    })
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' })
    t.equal(status, 1)
    t.match(stderr, /dns\/wire\/name\.ts -> dns\/zones\/zone\.ts: dns\/wire may not import zones/)
  })

  t.test('exits 1 at a circle of imports, and shows the way round', async (t) => {
    const root = tree(t, {
      'dns/zones/a.ts': "import { b } from './b.ts'\nexport const a = () => b\n",
      'dns/zones/b.ts': "import { c } from './c.ts'\nexport const b = () => c\n",
      'dns/zones/c.ts': "import { a } from './a.ts'\nexport const c = () => a\n",
      'dns/zones/d.ts': "import { a } from './a.ts'\nexport const d = a\n",
      'dns/index.ts': "export { d } from './zones/d.ts'\n",
    })
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' })
    t.equal(status, 1)
    t.match(stderr, /a\.ts -> dns\/zones\/b\.ts -> dns\/zones\/c\.ts -> dns\/zones\/a\.ts: .* in a circle/)
    t.notMatch(stderr, /d\.ts/, 'who only looks into the circle is not part of it')
  })

  t.test('exits 1 at a folder of more than 15 files', async (t) => {
    const files = Array.from({ length: 16 }, (_, i) => [`dns/wire/file${i}.ts`, ''])
    const { status, stderr } = spawnSync(process.execPath, [script, tree(t, Object.fromEntries(files))], {
      encoding: 'utf8',
    })
    t.equal(status, 1)
    t.match(stderr, /dns\/wire: 16 files side by side, more than 15/)
    const fewer = checkTree(tree(t, Object.fromEntries(files.slice(1))))
    t.notMatch(fewer.offences.join(), /side by side/)
  })

  t.test('exits 1 at a file that nothing imports, unless it is a program or a door', async (t) => {
    const { offences } = checkTree(
      tree(t, {
        'dns/index.ts': "export { a } from './zones/a.ts'\n",
        'dns/zones/a.ts': "import type { B } from './b.ts'\nexport const a: B = 1\n",
        'dns/zones/b.ts': 'export type B = number\n',
        'dns/zones/forgotten.ts': "import { a } from './a.ts'\nexport const c = a\n",
        'src/cli/main.ts': '',
      }),
    )
    t.same(offences, ['dns/zones/forgotten.ts: nothing imports it'])
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
    ['src/network/network.ts', "import { moorageError } from '../errors/index.ts'"],
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
    ['dns/a.ts', "import '../src/errors/index.ts'", /dns may not import src\/errors/],
    ['netns/a.ts', "import '../test/a.ts'", /in no room of the house/],
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

t.test('the wings of a room', async (t) => {
  const cases: [path: string, text: string, words: RegExp | undefined][] = [
    ['netns/worker/a.ts', "import { b } from '../addressing/b.ts'", undefined],
    ['netns/handle/a.ts', "import type { B } from '../worker/b.ts'", undefined],
    ['netns/handle/a.ts', "import { b } from '../worker/b.ts'", /may import only types of worker/],
    ['netns/handle/a.ts', "import { type B } from '../worker/b.ts'", /may import only types of worker/],
    ['netns/handle/a.ts', "export { type B, b } from '../worker/b.ts'", /may import only types of worker/],
    ['netns/addressing/a.ts', "import type { B } from '../worker/b.ts'", /addressing may not import worker/],
    ['netns/addressing/a.ts', "await import('../worker/b.ts')", /addressing may not import worker/],
    ['netns/addressing/a.ts', "import '../kernel/index.ts'", undefined],
    ['netns/index.ts', "export { a } from './handle/a.ts'", undefined],
    ['netns/network.ts', "import type { A } from './handle/a.ts'", undefined],
    ['netns/network.ts', "import { a } from './handle/a.ts'", /is ground of netns/],
    ['netns/worker/a.ts', "import type { Network } from '../network.ts'", undefined],
    ['netns/worker/a.ts', "import { a } from '../index.ts'", /may import only its ground/],
    ['netns/attic/a.ts', '', /attic is no wing of netns/],
    ['netns/worker/deep/a.ts', "import '../b.ts'", undefined],
  ]
  for (const [path, text, words] of cases) {
    const offences = check(path, text)
    t.equal(offences.length, words ? 1 : 0, `${path}: ${text}`)
    if (words) t.match(offences[0], words)
  }
})

t.test('types and values are told apart as the compiler does', async (t) => {
  const cases: [text: string, typeOnly: boolean][] = [
    ["import type { A } from './a.ts'", true],
    ["import type A from './a.ts'", true],
    ["import type * as a from './a.ts'", true],
    ["export type { A } from './a.ts'", true],
    ["type A = typeof import('./a.ts')", true],
    ["import { type A } from './a.ts'", false],
    ["import { type A, b } from './a.ts'", false],
    ["import type, { b } from './a.ts'", false],
    ["export * from './a.ts'", false],
    ["import './a.ts'", false],
    ["await import('./a.ts')", false],
    ["import type { B } from './b.ts'\nimport {\n  a,\n} from './a.ts'", false],
  ]
  for (const [text, typeOnly] of cases) t.equal(importsOf(text).at(-1)?.typeOnly, typeOnly, text)
})

t.test('circles', async (t) => {
  const cycles = (edges: Record<string, string[]>) => findCycles(new Map(Object.entries(edges)))
  t.same(cycles({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }), [], 'two ways to one file are none')
  t.same(cycles({ a: ['a'] }), [['a', 'a']])
  t.same(cycles({ a: ['b'], b: ['a'], c: ['d'], d: ['c'] }).length, 2)
  t.same(cycles({ a: ['b', 'c'], b: ['c'], c: ['a'] }), [['a', 'c', 'a']], 'of two ways round the shorter')
  t.same(cycles({ z: ['a'], a: ['b'], b: ['z', 'a'] }).length, 1, 'circles that touch are one')
})

t.test('the plan names only what is there, and docs/architecture.md tells of each', async (t) => {
  const root = join(import.meta.dirname, '../..')
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  for (const [room, { may, ground = [], doors = [], wings = {} }] of Object.entries(rooms)) {
    t.ok(existsSync(join(root, room)), room)
    t.match(page, `\`${room}\``, `docs/architecture.md has ${room}`)
    for (const other of may) t.ok(rooms[other], `${room} may import ${other}, which is a room`)
    for (const file of [...ground, ...doors]) t.ok(existsSync(join(root, room, file)), `${room}/${file}`)
    for (const [wing, { may, types = [] }] of Object.entries(wings)) {
      t.ok(existsSync(join(root, room, wing)), `${room}/${wing}`)
      t.match(page, `\`${wing}/\``, `docs/architecture.md has ${room}/${wing}`)
      for (const other of [...may, ...types]) t.ok(wings[other], `${room}/${wing} may import ${other}`)
    }
  }
  for (const room of [...common, ...Object.values(packages).flat()]) t.ok(rooms[room], room)
  for (const folder of Object.keys(wideFolders)) t.match(page, `\`${folder}\``)
})
