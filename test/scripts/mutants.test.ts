import { join } from 'node:path'
import t from 'tap'
import { testsOf } from '../../scripts/mirroring-tests.ts'
import { applyMutant, mutantsOf } from '../../scripts/mutants.ts'

const source = `interface Bounds { readonly most?: number }
export function take(list: readonly string[], { most = 10 }: Bounds): string[] {
  if (list.length > most && most > 0) throw new Error('too long')
  log({ mode: 0o600, cause: list })
  return list.slice(0, most)
}
`

t.test('the faults of a source, each with its line, none of them in its types', async (t) => {
  const mutants = mutantsOf(source)
  const mutated = mutants.map((mutant) => applyMutant(source, mutant))
  for (const words of [
    'if (true)',
    'if (false)',
    'if (list.length > most) ',
    'if (most > 0) ',
    'list.length >= most',
    '(0 + 1)',
    '(10 + 1)',
    'log({  cause: list })',
    'log({ mode: 0o600,  })',
  ])
    t.ok(
      mutated.some((text) => text?.includes(words)),
      words,
    )
  t.ok(
    mutated.some((text) => text !== undefined && !text.includes('throw')),
    'without the throw',
  )
  t.ok(
    mutated.some((text) => text !== undefined && !text.includes('log(')),
    'without the call',
  )
  t.notOk(mutants.some(({ line }) => line === 1))
  t.equal(mutants.find(({ description }) => description.startsWith('without throw'))?.line, 3)
  for (const text of mutated) t.notSame(text, source)
})

t.test('what is no program any more is no fault', async (t) => {
  t.equal(applyMutant('a()', { start: 1, end: 2, replacement: '', line: 1, description: '' }), undefined)
})

t.test('tests are found by what they load, the mirroring one first', async (t) => {
  const root = join(import.meta.dirname, '../..')
  const found = testsOf(root, 'src/errors/catalogue.ts')
  t.ok(found.length > 0)
  t.same(testsOf(root, 'src/concurrency/flight.ts')[0], 'test/concurrency/flight.test.ts')
  t.ok(testsOf(root, 'dns/zones/zone.ts').length > 0)
})
