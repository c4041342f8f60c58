import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createObjectPool } from '../../netns/handle/object-pool.ts'

/** Makes numbers; each making waits until `finish` or `fail` is called. */
function workshop() {
  const open: PromiseWithResolvers<number>[] = []
  let made = 0
  return {
    make: () => {
      const one = Promise.withResolvers<number>()
      open.push(one)
      return one.promise
    },
    get open() {
      return open.length
    },
    async finish() {
      open.shift()?.resolve(++made)
      await turn()
      await turn()
    },
    async fail(error: Error) {
      open.shift()?.reject(error)
      await turn()
      await turn()
    },
  }
}

t.test('a pool fills up to its size, two at a time', async (t) => {
  const shop = workshop()
  const pool = createObjectPool({ size: 3, make: shop.make })
  pool.fill()
  await turn()
  for (const [ready, open] of [
    [0, 2],
    [1, 2],
    [2, 1],
    [3, 0],
  ]) {
    t.equal(pool.ready, ready)
    t.equal(shop.open, open)
    await shop.finish()
  }
})

t.test('what is ready is taken at once, and made anew only later', async (t) => {
  const shop = workshop()
  const refills: (() => void)[] = []
  const pool = createObjectPool({ size: 1, make: shop.make, later: (refill) => refills.push(refill) })
  pool.fill()
  refills.shift()?.()
  await shop.finish()
  t.equal(await pool.take(), 1)
  t.equal(shop.open, 0, 'nothing is being made yet')
  refills.shift()?.()
  t.equal(shop.open, 1)
})

t.test('who finds none waits for his own, and is served before the pool', async (t) => {
  const shop = workshop()
  const pool = createObjectPool({ size: 8, make: shop.make })
  const taken = Promise.all([pool.take(), pool.take(), pool.take()])
  t.equal(shop.open, 3)
  for (let left = 3; left > 0; left--) await shop.finish()
  t.same(await taken, [1, 2, 3])
  t.equal(pool.ready, 0)
})

t.test('a failure is told to who waits; with nobody waiting the next to take tries again', async (t) => {
  const shop = workshop()
  const pool = createObjectPool({ size: 1, make: shop.make })
  pool.fill()
  await turn()
  await shop.fail(new Error('nobody hears this'))
  t.equal(shop.open, 0, 'and it is not tried over and over')
  const told = t.rejects(pool.take(), { message: 'no room' })
  t.equal(shop.open, 1)
  await shop.fail(new Error('no room'))
  await told
})

t.test('who gives up waiting gets nothing; what was made for him is kept', async (t) => {
  const shop = workshop()
  const pool = createObjectPool({ size: 1, make: shop.make })
  const patience = new AbortController()
  const taken = pool.take(patience.signal)
  patience.abort(new Error('enough'))
  await t.rejects(taken, { message: 'enough' })
  await shop.finish()
  t.equal(pool.ready, 1)
  await t.rejects(pool.take(AbortSignal.abort(new Error('too late'))), { message: 'too late' })
  t.equal(pool.ready, 1)
})

t.test(
  'closing turns away who waits, and hands back what is ready when nothing is being made any more',
  async (t) => {
    const shop = workshop()
    const pool = createObjectPool({ size: 1, make: shop.make })
    const taken = pool.take()
    const closed = pool.close(new Error('closed'))
    await t.rejects(taken, { message: 'closed' })
    await shop.finish()
    t.same(await closed, [1])
    await t.rejects(pool.take(), { message: 'closed' })
    t.equal(shop.open, 0)
  },
)
