import t from 'tap'
import { SharedWork, type Working } from '../../src/images/shared-work.ts'

/** Work that a test ends by hand. */
function byHand() {
  const begun: (Working & { resolve(value: string): void; reject(error: Error): void })[] = []
  const act = (working: Working) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    begun.push({ ...working, resolve, reject })
    return promise
  }
  return { begun, act }
}

/** One turn of the event loop: what is on its way has arrived. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('it is done once for all who want it, and once more for who comes later', async (t) => {
  const work = new SharedWork<string>()
  const { begun, act } = byHand()
  const both = Promise.all([work.join('a', {}, act), work.join('a', {}, act)])
  const other = work.join('b', {}, act)
  await turn()
  t.equal(begun.length, 2)
  begun[0]?.resolve('done')
  begun[1]?.resolve('other')
  t.same(await both, ['done', 'done'])
  t.equal(await other, 'other')
  const again = work.join('a', {}, act)
  await turn()
  begun[2]?.resolve('again')
  t.equal(await again, 'again')
})

t.test('a failure is told to those who wait, and to nobody later', async (t) => {
  const work = new SharedWork<string>()
  const { begun, act } = byHand()
  const tries = Promise.allSettled([work.join('a', {}, act), work.join('a', {}, act)])
  await turn()
  begun[0]?.reject(new Error('no'))
  t.same(
    (await tries).map((one) => one.status),
    ['rejected', 'rejected'],
  )
  const later = work.join('a', {}, act)
  await turn()
  begun[1]?.resolve('yes')
  t.equal(await later, 'yes')
})

t.test('who comes while the aborted work unwinds begins it anew; close waits for both', async (t) => {
  const work = new SharedWork<string>()
  const { begun, act } = byHand()
  const gone = new AbortController()
  const first = work.join('a', { signal: gone.signal }, act)
  await turn()
  gone.abort(new Error('gone'))
  await t.rejects(first, { message: 'gone' })
  t.ok(begun[0]?.signal.aborted)
  const second = work.join('a', {}, act)
  second.catch(() => undefined)
  await turn()
  t.equal(begun.length, 2)
  t.notOk(begun[1]?.signal.aborted)
  let closed = false
  const closing = work.close().then(() => {
    closed = true
  })
  t.ok(begun[1]?.signal.aborted)
  begun[1]?.reject(new Error('closed'))
  await t.rejects(second, { message: 'closed' })
  t.notOk(closed, 'the first still unwinds')
  begun[0]?.reject(new Error('unwound'))
  await closing
  await t.rejects(work.join('a', { signal: gone.signal }, act), { message: 'gone' })
  t.equal(begun.length, 2, 'who is cancelled already begins nothing')
})

t.test('who comes late is told where it stands', async (t) => {
  const work = new SharedWork<string>()
  const { begun, act } = byHand()
  const told: string[] = []
  const onProgress = (detail: string) => told.push(detail)
  const first = work.join('a', {}, act)
  await turn()
  begun[0]?.onProgress('one')
  begun[0]?.onProgress('two')
  const second = work.join('a', { onProgress }, act)
  begun[0]?.onProgress('three')
  begun[0]?.resolve('done')
  await Promise.all([first, second])
  begun[0]?.onProgress('four')
  t.same(told, ['two', 'three'])
})
