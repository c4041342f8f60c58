/** The choices that fetches of images make: late callers are told the last progress, and unwinding holds up nobody. */
import t from 'tap'
import { createFlights, type Flight } from '../../src/concurrency/index.ts'

/** Work that a test ends by hand. */
function byHand() {
  const begun: (Flight<string> & { resolve(value: string): void; reject(error: Error): void })[] = []
  const work = (flight: Flight<string>) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    begun.push({ signal: flight.signal, report: (progress) => flight.report(progress), resolve, reject })
    return promise
  }
  return { begun, work }
}

const fetches = () => createFlights({ replay: 'last', whileUnwinding: 'begin' })

/** One turn of the event loop: what is on its way has arrived. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('it is done once for all who want it, and once more for who comes later', async (t) => {
  const flights = fetches()
  const { begun, work } = byHand()
  const both = Promise.all([flights.join('a', work), flights.join('a', work)])
  const other = flights.join('b', work)
  await turn()
  t.equal(begun.length, 2)
  begun[0]?.resolve('done')
  begun[1]?.resolve('other')
  t.same(await both, ['done', 'done'])
  t.equal(await other, 'other')
  const again = flights.join('a', work)
  await turn()
  begun[2]?.resolve('again')
  t.equal(await again, 'again')
})

t.test('a failure is told to those who wait, and to nobody later', async (t) => {
  const flights = fetches()
  const { begun, work } = byHand()
  const tries = Promise.allSettled([flights.join('a', work), flights.join('a', work)])
  await turn()
  begun[0]?.reject(new Error('no'))
  t.same(
    (await tries).map((one) => one.status),
    ['rejected', 'rejected'],
  )
  const later = flights.join('a', work)
  await turn()
  begun[1]?.resolve('yes')
  t.equal(await later, 'yes')
})

t.test('who comes while the aborted work unwinds begins it anew; close waits for both', async (t) => {
  const flights = fetches()
  const { begun, work } = byHand()
  const gone = new AbortController()
  const first = flights.join('a', work, { signal: gone.signal })
  await turn()
  gone.abort(new Error('gone'))
  await t.rejects(first, { message: 'gone' })
  t.ok(begun[0]?.signal.aborted)
  const second = flights.join('a', work)
  second.catch(() => undefined)
  await turn()
  t.equal(begun.length, 2)
  t.notOk(begun[1]?.signal.aborted)
  t.equal(flights.size, 2)
  let closed = false
  const closing = flights.close().then(() => {
    closed = true
  })
  t.ok(begun[1]?.signal.aborted)
  begun[1]?.reject(new Error('closed'))
  await t.rejects(second, { message: 'closed' })
  t.notOk(closed, 'the first still unwinds')
  begun[0]?.reject(new Error('unwound'))
  await closing
  t.equal(flights.size, 0)
  await t.rejects(flights.join('a', work, { signal: gone.signal }), { message: 'gone' })
  t.equal(begun.length, 2, 'who is cancelled already begins nothing')
})

t.test('the end of the aborted work does not end the one that was begun after it', async (t) => {
  const flights = fetches()
  const { begun, work } = byHand()
  const gone = new AbortController()
  const first = flights.join('a', work, { signal: gone.signal })
  gone.abort(new Error('gone'))
  await t.rejects(first, { message: 'gone' })
  const second = flights.join('a', work)
  begun[0]?.reject(new Error('unwound'))
  await turn()
  const third = flights.join('a', work)
  t.equal(begun.length, 2, 'a later caller shares it')
  begun[1]?.resolve('done')
  t.same(await Promise.all([second, third]), ['done', 'done'])
})

t.test('close ends the runs of those who would wait for an unwinding one, too', async (t) => {
  const flights = createFlights()
  const { begun, work } = byHand()
  const joined = flights.join('a', work)
  const closing = flights.close()
  t.ok(begun[0]?.signal.aborted)
  begun[0]?.reject(new Error('closed'))
  await t.rejects(joined, { message: 'closed' })
  await closing
  t.equal(flights.size, 0)
})

t.test('who comes late is told where it stands', async (t) => {
  const flights = fetches()
  const { begun, work } = byHand()
  const told: string[] = []
  const onProgress = (progress: string) => void told.push(progress)
  const first = flights.join('a', work)
  await turn()
  begun[0]?.report('one')
  begun[0]?.report('two')
  const second = flights.join('a', work, { onProgress })
  begun[0]?.report('three')
  begun[0]?.resolve('done')
  await Promise.all([first, second])
  begun[0]?.report('four')
  t.same(told, ['two', 'three'])
})

t.test('who began the work is told everything, also what was reported at once and in between', async (t) => {
  const flights = fetches()
  const told: string[][] = [[], []]
  let report: (progress: string) => void = () => undefined
  const done = Promise.withResolvers<string>()
  const work = (flight: Flight<string>) => {
    report = (progress) => flight.report(progress)
    report('one')
    report('two')
    return done.promise
  }
  const first = flights.join('a', work, {
    onProgress: (progress) => {
      told[0]?.push(progress)
      if (progress === 'three') report('four')
    },
  })
  const second = flights.join('a', work, { onProgress: (progress: string) => void told[1]?.push(progress) })
  report('three')
  done.resolve('done')
  await Promise.all([first, second])
  t.same(told, [
    ['one', 'two', 'three', 'four'],
    ['two', 'three', 'four'],
  ])
})
