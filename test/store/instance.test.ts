import { createHash } from 'node:crypto'
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { instanceOf } from '../../src/store/index.ts'
import { ownState } from './own-state.ts'

t.test('the instance id is of the real path: 30 bits of its sha256 in base32hex', async (t) => {
  const base = ownState(t)
  const directory = join(base, 'state')
  mkdirSync(directory)
  const hash = createHash('sha256').update(realpathSync(directory)).digest('hex')
  // BigInt's radix 32 has the digits of base32hex.
  const expected = (BigInt(`0x${hash}`) >> 226n).toString(32).padStart(6, '0')
  t.equal(instanceOf(directory), expected)
  symlinkSync(directory, join(base, 'link'))
  t.equal(instanceOf(join(base, 'link')), expected, 'by another name')
  t.not(instanceOf(base), expected)
})
