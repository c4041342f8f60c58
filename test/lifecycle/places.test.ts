import t from 'tap'
import { createPlaces } from '../../src/lifecycle/exclusion/places.ts'
import { settled, watch } from './fake-service.ts'

t.test('no more than there are places, in the order of asking', async (t) => {
  const places = createPlaces(2)
  const [first, second] = [await places.take(), await places.take()]
  const told: number[] = []
  const onWait = (ahead: number) => void told.push(ahead)
  const cancel = new AbortController()
  const third = watch(places.take({ onWait }))
  const gone = watch(places.take({ onWait, signal: cancel.signal }))
  const fourth = watch(places.take({ onWait }))
  await settled()
  t.strictSame(told, [0, 1, 2])
  t.strictSame([places.taken, places.waiting], [2, 3])
  cancel.abort(new Error('gone'))
  await settled()
  t.match(gone.error, { message: 'gone' })
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  await settled()
  t.strictSame([third.done, fourth.done, places.taken], [true, false, 2])
  second[Symbol.dispose]()
  await settled()
  t.equal(fourth.done, true)
  third.value?.[Symbol.dispose]()
  fourth.value?.[Symbol.dispose]()
  t.strictSame([places.taken, places.waiting], [0, 0])
})
