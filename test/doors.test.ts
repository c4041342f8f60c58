/**
 * The public doors: each export of the package's entry points, by name. Names may be added here; one that is taken away
 * or renamed breaks somebody's program.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')

/** The sources that `exports` of package.json leads to, once built. */
const doors: Record<string, string> = {
  moorage: 'src/index.ts',
  'moorage/dns': 'dns/index.ts',
  'moorage/netns': 'netns/index.ts',
  'moorage/network': 'src/network/index.ts',
  'moorage/engine': 'src/engine/index.ts',
}

interface Names {
  values: string[]
  types: string[]
}

const frozen = JSON.parse(readFileSync(join(import.meta.dirname, 'doors.json'), 'utf8')) as Record<
  string,
  Names
>

/** Reads the export statements of a door, which are lists of names: `export * from` would hide what is in there. */
function exportedNames(text: string): Names {
  const names: Names = { values: [], types: [] }
  for (const [, typeOnly, list] of text.matchAll(/^export\s+(type\s+)?\{([^}]*)\}\s*from/gm)) {
    for (const item of list?.split(',') ?? []) {
      const [, type, name] = /^\s*(type\s+)?(?:\w+\s+as\s+)?(\w+)\s*$/.exec(item) ?? []
      if (name !== undefined) names[(type ?? typeOnly) ? 'types' : 'values'].push(name)
    }
  }
  return { values: names.values.sort(), types: names.types.sort() }
}

for (const [door, file] of Object.entries(doors)) {
  t.test(`${door} exports what it always did`, async (t) => {
    const text = readFileSync(join(root, file), 'utf8')
    t.notMatch(text, /export \*/, 'every name is written out')
    const names = exportedNames(text)
    t.ok(names.values.length > 0)
    t.same(names, frozen[door])
    const loaded = await import(join(root, file))
    t.same(Object.keys(loaded).sort(), names.values, 'and its values are there')
  })
}

t.test('package.json has these doors and no others', async (t) => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { default: string }>
  }
  const built = Object.entries(exports).map(([path, to]) => [path.replace(/^\./, 'moorage'), to.default])
  t.same(
    Object.fromEntries(built),
    Object.fromEntries(
      Object.entries(doors).map(([door, file]) => [door, `./dist/${file.replace(/\.ts$/, '.js')}`]),
    ),
  )
})
