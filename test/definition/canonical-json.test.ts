import t from 'tap'
import { canonicalJson, sha256OfJson } from '../../src/definition/index.ts'

t.test('canonical JSON is that of RFC 8785', async (t) => {
  // The examples of sections 3.2.2 and 3.2.3.
  t.equal(
    canonicalJson({
      numbers: [JSON.parse('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  )
  const order = ['\\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33']
  const given = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6']
  t.equal(
    canonicalJson(Object.fromEntries(given.map((name) => [name, 0]))),
    `{${order.map((name) => `"${name}":0`).join(',')}}`,
    'names are ordered by UTF-16 code units',
  )
})

t.test('the order in which a value was written does not matter, the order of a list does', async (t) => {
  t.equal(sha256OfJson({ a: 1, b: { c: 2, d: 3 } }), sha256OfJson({ b: { d: 3, c: 2 }, a: 1 }))
  t.not(sha256OfJson([1, 2]), sha256OfJson([2, 1]))
})

t.test('a digest is the sha256 of that text', async (t) => {
  // printf '{}' | sha256sum
  t.equal(sha256OfJson({}), 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
})

t.test('what JSON cannot say has no digest', async (t) => {
  for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY, '\ud800', { a: '\udc00' }, 1n]) {
    t.throws(() => sha256OfJson(value), String(value))
  }
})
