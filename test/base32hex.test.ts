import t from 'tap'
import { base32hex } from '../src/base32hex.ts'

t.test('RFC 4648 section 10, in lower case and without padding', async (t) => {
  const vectors = [
    ['f', 'co'],
    ['fo', 'cpng'],
    ['foo', 'cpnmu'],
    ['foob', 'cpnmuog'],
    ['fooba', 'cpnmuoj1'],
    ['foobar', 'cpnmuoj1e8'],
  ] as const
  for (const [text, encoded] of vectors) t.equal(base32hex(Buffer.from(text), encoded.length), encoded)
  t.equal(base32hex(Buffer.from('foobar'), 3), 'cpn')
})
