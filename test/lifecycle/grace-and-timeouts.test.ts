import t from 'tap'
import { defaultTimeouts, Escalation } from '../../src/lifecycle/index.ts'
import { client, FakeDriver, watch, world } from './fake-service.ts'
import { VirtualClock } from './virtual-clock.ts'

t.test('the timeout scale stretches every default time limit', async (t) => {
  t.same(defaultTimeouts(), { start: 60_000, stop: 10_000, interrupt: 2_000, drain: 30_000 })
  const [ordinary, slow] = [defaultTimeouts(), defaultTimeouts(3)]
  for (const [limit, ms] of Object.entries(ordinary)) t.equal(Reflect.get(slow, limit), 3 * ms, limit)
})

t.test('the timeout scale stretches the default drain, and not one that is given', async (t) => {
  for (const [timeout, killedAfter] of [
    [undefined, 60_000],
    [1_000, 1_000],
  ] as const) {
    const { clock, services } = world({ timeoutScale: 2 })
    const db = new FakeDriver('db')
    db.ignores = ['SIGTERM']
    await services.acquire('net/db', db, client({ checks: [], stopTimeout: 600_000 }))
    const drained = watch(services.drain(timeout === undefined ? {} : { timeout }))
    await clock.advance(killedAfter - 1)
    t.strictSame(db.process.signals, ['SIGTERM'])
    await clock.advance(1)
    t.strictSame(db.process.signals, ['SIGTERM', 'SIGKILL'])
    t.equal(drained.done, true)
  }
})

t.test(
  'a lease’s own grace beats the daemon’s, shorter or longer; the scale stretches neither',
  async (t) => {
    for (const [grace, stopsIn] of [
      [undefined, 5_000],
      [1_000, 1_000],
      [9_000, 9_000],
    ] as const) {
      const { clock, services } = world({ defaultGrace: 5_000, timeoutScale: 2 })
      const options = client({ checks: [], ...(grace === undefined ? {} : { grace }) })
      const lease = await services.acquire('net/db', new FakeDriver('db'), options)
      lease.release()
      t.equal(services.get('net/db')?.stopsAt, clock.now() + stopsIn)
    }
  },
)

t.test(
  'an escalation that kills does not ask any more, and goes on killing until it is disposed of',
  async (t) => {
    const clock = new VirtualClock()
    const signals: string[] = []
    const escalation = new Escalation({
      clock,
      signal: async (name) => void signals.push(name),
      stopSignal: 'SIGTERM',
      stopTimeout: 2_000,
      onTrouble: (error) => t.fail(String(error)),
    })
    escalation.ask()
    await clock.advance(2_000)
    escalation.ask()
    await clock.advance(2_000)
    t.strictSame(signals, ['SIGTERM', 'SIGKILL', 'SIGKILL', 'SIGKILL'])
    escalation[Symbol.dispose]()
    t.equal(clock.armed, 0)
    await clock.advance(10_000)
    t.equal(signals.length, 4)
  },
)
