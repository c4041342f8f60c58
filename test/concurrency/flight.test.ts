import t from 'tap'
import { createFlights, type Flight } from '../../src/concurrency/index.ts'
import { settled } from '../lifecycle/virtual-clock.ts'

/** Work that ends when the test says so. */
function work() {
  const runs: { flight: Flight<string>; resolve: (value: string) => void; reject: (error: Error) => void }[] =
    []
  const begin = (flight: Flight<string>) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    runs.push({ flight, resolve, reject })
    return promise
  }
  const run = (index: number) => {
    const found = runs[index]
    if (!found) throw new Error(`there was no run ${index}`)
    return found
  }
  return { runs, run, begin }
}

t.test('NoCancel: two callers share one run', async (t) => {
  const flights = createFlights()
  const { runs, run, begin } = work()
  const both = Promise.all([flights.join('k', begin), flights.join('k', begin)])
  t.equal(flights.callers('k'), 2)
  t.equal(flights.size, 1)
  run(0).resolve('bar')
  t.strictSame(await both, ['bar', 'bar'])
  t.equal(runs.length, 1)
  t.equal(flights.size, 0)
})

t.test('CancelOne: who cancels returns at once, the run goes on for the other', async (t) => {
  const flights = createFlights()
  const { runs, run, begin } = work()
  const first = new AbortController()
  const cancelled = flights.join('k', begin, { signal: first.signal })
  const kept = flights.join('k', begin)
  first.abort(new Error('enough'))
  await t.rejects(cancelled, { message: 'enough' })
  t.equal(run(0).flight.signal.aborted, false, 'although it was the one who began it')
  run(0).resolve('bar')
  t.equal(await kept, 'bar')
  t.equal(runs.length, 1)
})

t.test('CancelRace: who comes while a run unwinds gets a clean second run', async (t) => {
  const flights = createFlights()
  const { runs, run, begin } = work()
  const first = new AbortController()
  const cancelled = flights.join('k', begin, { signal: first.signal })
  first.abort(new Error('enough'))
  const late = flights.join('k', begin)
  await t.rejects(cancelled, { message: 'enough' })
  await settled()
  t.equal(runs.length, 1, 'it waits for the unwinding')
  run(0).reject(new Error('unwound'))
  await settled()
  t.equal(runs.length, 2)
  t.equal(run(1).flight.signal.aborted, false)
  run(1).resolve('clean')
  t.equal(await late, 'clean')
})

t.test('a run that ends well although everybody had gone is nobody’s', async (t) => {
  const flights = createFlights()
  const { run, begin } = work()
  const first = new AbortController()
  const cancelled = flights.join('k', begin, { signal: first.signal })
  first.abort(new Error('enough'))
  const late = flights.join('k', begin)
  run(0).resolve('stale')
  await t.rejects(cancelled, { message: 'enough' })
  await settled()
  run(1).resolve('fresh')
  t.equal(await late, 'fresh')
})

t.test('who waits for an unwinding can cancel too, at once', async (t) => {
  const flights = createFlights()
  const { runs, run, begin } = work()
  const [first, second] = [new AbortController(), new AbortController()]
  const cancelled = flights.join('k', begin, { signal: first.signal })
  first.abort(new Error('first'))
  const late = flights.join('k', begin, { signal: second.signal })
  second.abort(new Error('second'))
  await t.rejects(cancelled, { message: 'first' })
  await t.rejects(late, { message: 'second' })
  run(0).resolve('')
  await settled()
  t.equal(runs.length, 1, 'nobody was left to start it again for')
})

t.test('CancelBoth: the last to go aborts the run; the key runs again; others are untouched', async (t) => {
  const flights = createFlights()
  const { runs, run, begin } = work()
  const [first, second] = [new AbortController(), new AbortController()]
  const both = [
    flights.join('k', begin, { signal: first.signal }),
    flights.join('k', begin, { signal: second.signal }),
  ]
  const other = flights.join('other', begin)
  first.abort(new Error('one'))
  t.equal(run(0).flight.signal.aborted, false)
  second.abort(new Error('two'))
  t.equal(run(0).flight.signal.aborted, true)
  t.match(run(0).flight.signal.reason, { message: 'two' })
  const settledBoth = await Promise.allSettled(both)
  t.match(settledBoth, [{ reason: { message: 'one' } }, { reason: { message: 'two' } }], 'both at once')
  t.equal(run(1).flight.signal.aborted, false)
  run(0).reject(new Error('unwound'))
  await settled()
  const again = flights.join('k', begin)
  t.equal(runs.length, 3)
  run(2).resolve('again')
  run(1).resolve('other')
  t.strictSame(await Promise.all([again, other]), ['again', 'other'])
})

t.test('Contention: a hundred callers, a thousand times, one run each time', async (t) => {
  const flights = createFlights()
  let runs = 0
  for (let round = 0; round < 1_000; round += 1) {
    const values = await Promise.all(
      Array.from({ length: 100 }, () =>
        flights.join('k', async () => {
          runs += 1
          await undefined
          return round
        }),
      ),
    )
    if (values.some((value) => value !== round)) t.fail(`round ${round} got another round's value`)
  }
  t.equal(runs, 1_000)
})

t.test('MassiveParallel: a thousand callers of what always fails all get the error', async (t) => {
  const flights = createFlights()
  const { runs, run, begin } = work()
  const all = Array.from({ length: 1_000 }, () => flights.join('k', begin))
  run(0).reject(new Error('always'))
  const outcomes = await Promise.allSettled(all)
  t.ok(outcomes.every((one) => one.status === 'rejected' && one.reason.message === 'always'))
  t.equal(runs.length, 1)
})

t.test('CachedError: a failure is shared by those attached, and never inherited', async (t) => {
  const flights = createFlights()
  const { runs, run, begin } = work()
  const both = Promise.allSettled([flights.join('k', begin), flights.join('k', begin)])
  run(0).reject(new Error('broken'))
  t.match(await both, [{ reason: { message: 'broken' } }, { reason: { message: 'broken' } }])
  const later = flights.join('k', begin)
  t.equal(runs.length, 2)
  run(1).resolve('mended')
  t.equal(await later, 'mended')
})

t.test('Cached: nor is a success: flights remember nothing', async (t) => {
  const flights = createFlights()
  const { run, begin } = work()
  const first = flights.join('k', begin)
  run(0).resolve('one')
  t.equal(await first, 'one')
  const second = flights.join('k', begin)
  run(1).resolve('two')
  t.equal(await second, 'two')
})

t.test('a caller that tries again in its handler of the failure gets a fresh run', async (t) => {
  const flights = createFlights()
  const { runs, run, begin } = work()
  const retried = flights.join('k', begin).catch(() => flights.join('k', begin))
  run(0).reject(new Error('broken'))
  await settled()
  t.equal(runs.length, 2)
  run(1).resolve('mended')
  t.equal(await retried, 'mended')
})

t.test('progress is told from the start, then live, to each once and in order', async (t) => {
  const flights = createFlights()
  const { run, begin } = work()
  const [early, late]: string[][] = [[], []]
  const first = flights.join('k', begin, { onProgress: (p: string) => early?.push(p) })
  run(0).flight.report('a')
  run(0).flight.report('b')
  const second = flights.join('k', begin, {
    onProgress: (p: string) => {
      late?.push(p)
      // A report that comes while the history is told must follow it, and come once.
      if (p === 'a') run(0).flight.report('c')
    },
  })
  run(0).flight.report('d')
  run(0).resolve('')
  await Promise.all([first, second])
  run(0).flight.report('too late')
  t.strictSame(late, ['a', 'b', 'c', 'd'])
  t.strictSame(early, ['a', 'b', 'c', 'd'])
})

t.test('an onProgress that throws ends its own caller’s interest only', async (t) => {
  const flights = createFlights()
  const { run, begin } = work()
  const told: string[] = []
  const throwing = flights.join('k', begin, {
    onProgress: () => {
      throw new Error('broken pipe')
    },
  })
  const healthy = flights.join('k', begin, { onProgress: (p: string) => void told.push(p) })
  run(0).flight.report('a')
  await t.rejects(throwing, { message: 'broken pipe' })
  t.equal(flights.callers('k'), 1)
  run(0).flight.report('b')
  run(0).resolve('done')
  t.equal(await healthy, 'done')
  t.strictSame(told, ['a', 'b'])
})

t.test('a caller that has cancelled before it came starts nothing', async (t) => {
  const flights = createFlights()
  const { runs, begin } = work()
  await t.rejects(flights.join('k', begin, { signal: AbortSignal.abort(new Error('before')) }), {
    message: 'before',
  })
  t.equal(runs.length, 0)
  t.equal(flights.size, 0)
})

t.test(
  'work that throws at once, or ends its caller’s interest itself, is a run like any other',
  async (t) => {
    const flights = createFlights()
    const throws = () => {
      throw new Error('at once')
    }
    await t.rejects(flights.join('k', throws), { message: 'at once' })
    t.equal(flights.size, 0)
    const caller = new AbortController()
    const { run, begin } = work()
    const cancelled = flights.join(
      'k',
      (flight: Flight<string>) => {
        caller.abort(new Error('from inside'))
        return begin(flight)
      },
      { signal: caller.signal },
    )
    await t.rejects(cancelled, { message: 'from inside' })
    t.equal(run(0).flight.signal.aborted, true)
    run(0).resolve('')
    await settled()
    t.equal(flights.size, 0)
  },
)

t.test('a caller that wants no progress holds nobody up', async (t) => {
  const flights = createFlights()
  const joined = flights.join('k', async ({ report }: Flight<string>) => {
    report('begun')
    return 'done'
  })
  t.equal(await joined, 'done')
})

t.test('what goes wrong when nobody is left is told to the owner; the abort itself is not', async (t) => {
  const unheard: unknown[] = []
  const flights = createFlights({ onUnheard: (failure) => unheard.push(failure) })
  for (const end of ['abort', 'other'] as const) {
    const caller = new AbortController()
    const joined = flights.join(
      'k',
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () =>
            reject(end === 'abort' ? signal.reason : new Error('left a mount')),
          )
        }),
      { signal: caller.signal },
    )
    caller.abort(new Error('enough'))
    await t.rejects(joined, { message: 'enough' })
    await settled()
  }
  t.match(unheard, [{ key: 'k', error: { message: 'left a mount' } }])
  t.equal(unheard.length, 1)
})
