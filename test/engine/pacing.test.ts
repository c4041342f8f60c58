import t from 'tap'
import { EventLoopTurns } from '../../src/engine/pacing/event-loop-turns.ts'
import { RateLimit } from '../../src/engine/pacing/rate-limit.ts'

t.test('one begins in each turn of the event loop; who comes alone does not wait', async (t) => {
  const turns = new EventLoopTurns()
  let loops = 0
  let counting = true
  const count = () => {
    loops += 1
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  const began: number[] = []
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      await turns.take()
      began.push(loops)
    }),
  )
  counting = false
  t.equal(began[0], 0, 'the first at once')
  t.same(new Set(began).size, 5, `each in a turn of its own: ${began}`)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  let taken = false
  void turns.take().then(() => {
    taken = true
  })
  await Promise.resolve()
  await Promise.resolve()
  t.ok(taken, 'alone again')
})

t.test('a pace is kept, in order, and whoever gives up does not hold the others up', async (t) => {
  const pace = new RateLimit(5)
  const began: [number, number][] = []
  const start = performance.now()
  const gone = new AbortController()
  await Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      await pace.take(gone.signal)
      began.push([index, performance.now() - start])
    }),
  )
  t.same(
    began.map(([index]) => index),
    [0, 1, 2, 3, 4, 5],
  )
  t.ok((began[5]?.[1] ?? 0) >= 24, 'five times 5 ms')
  const waiting = pace.take(gone.signal)
  gone.abort()
  await waiting
})

t.test('a thread that was busy does not let all of them begin at once, nor in another order', async (t) => {
  const pace = new RateLimit(5)
  const { signal } = new AbortController()
  const began: number[] = []
  let loops = 0
  const counting = setInterval(() => {
    loops += 1
  }, 0)
  const all = Array.from({ length: 6 }, async (_, index) => {
    await pace.take(signal)
    began.push(index)
    return loops
  })
  // Longer than all of them are to take.
  for (const end = performance.now() + 60; performance.now() < end; );
  const turns = await Promise.all(all)
  clearInterval(counting)
  t.same(began, [0, 1, 2, 3, 4, 5])
  // The second is late, and the third may follow it at once; after that each has its time.
  t.equal(new Set(turns.slice(2)).size, 4, `each in a turn of its own: ${turns}`)
})
