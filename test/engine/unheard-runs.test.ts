import t from 'tap'
import { createFlights } from '../../src/concurrency/index.ts'
import { logUnheard } from '../../src/engine/open-engine.ts'

t.test('the failure of a run that nobody waits for any more is logged, with its key', async (t) => {
  const logged: unknown[] = []
  const flights = createFlights({ onUnheard: logUnheard((...line) => logged.push(line)) })
  const caller = new AbortController()
  const left = Promise.withResolvers<never>()
  const joined = flights.join('net/abc/result', () => left.promise, { signal: caller.signal })
  caller.abort(new Error('enough'))
  await t.rejects(joined, { message: 'enough' })
  left.reject(new Error('the disk is full'))
  await new Promise((resolve) => setImmediate(resolve))
  t.match(logged, [
    ['error', /nobody waited for/, { run: 'net/abc/result', error: 'Error: the disk is full' }],
  ])
})
