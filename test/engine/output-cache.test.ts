import t from 'tap'
import { OutputCache } from '../../src/engine/registry/output-cache.ts'

t.test('short outputs are kept, up to a bound; those not asked for go first', async (t) => {
  const outputs = new OutputCache()
  const read: string[] = []
  const get = (key: string, size = 64 * 1024) =>
    outputs.get(key, async () => {
      read.push(key)
      return Buffer.alloc(size)
    })
  await get('long', 64 * 1024 + 1)
  await get('long', 64 * 1024 + 1)
  t.same(read.splice(0), ['long', 'long'])
  for (let n = 0; n < 200; n += 1) await get(`${n}`)
  read.length = 0
  await get('0')
  t.same(read, [])
  for (let n = 200; n < 300; n += 1) await get(`${n}`)
  read.length = 0
  for (const key of ['0', '1', '299']) await get(key)
  t.same(read, ['1'], 'the first was asked for lately')
})

t.test('an output that many ask for at once is read once; a failure is not kept', async (t) => {
  const outputs = new OutputCache()
  let reads = 0
  const failing = async () => {
    reads += 1
    throw new Error('no such file')
  }
  const failed = await Promise.allSettled([outputs.get('x', failing), outputs.get('x', failing)])
  t.ok(failed.every(({ status }) => status === 'rejected'))
  const found = await Promise.all(
    Array.from({ length: 100 }, () => outputs.get('x', async () => Buffer.of(++reads))),
  )
  t.equal(reads, 2)
  t.ok(found.every((one) => one?.[0] === 2))
})
