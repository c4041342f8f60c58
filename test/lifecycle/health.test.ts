/** The moments when checks are tried, and when they have failed for good: on a virtual clock, to the millisecond. */
import t from 'tap'
import type { CheckAnswer, ServiceCheck } from '../../src/lifecycle/index.ts'
import { client, FakeDriver, settled, watch, world } from './fake-service.ts'

const no: CheckAnswer = { ok: false, answer: 'no' }

/** Starts a service with one check, and notes when it is tried, counted from the start. */
async function tried(
  check: ServiceCheck,
  answer: (count: number) => CheckAnswer | Promise<CheckAnswer>,
  startTimeout = 60_000,
) {
  const made = world()
  const db = new FakeDriver('db')
  const since = made.clock.now()
  const times: number[] = []
  db.listens = []
  const acquired = watch(made.services.acquire('net/db', db, client({ checks: [check], startTimeout })))
  await settled()
  db.process.answer = () => {
    times.push(made.clock.now() - since)
    return answer(times.length)
  }
  return { ...made, db, times, acquired }
}

t.test('a port is tried at once and often, in the end once a second', async (t) => {
  for (const kind of ['tcp', 'udp'] as const) {
    const { clock, times } = await tried({ kind, port: 80 }, () => no)
    await clock.advance(20_000)
    t.strictSame(times.slice(0, 4), [2, 5, 8, 11], kind)
    const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    t.equal(Math.max(...steps), 1_000)
    t.equal(steps.at(-1), 1_000)
  }
})

t.test('a command is tried from 100 ms on', async (t) => {
  const { clock, times } = await tried({ kind: 'exec', args: ['x'] }, () => no)
  await clock.advance(20_000)
  t.strictSame(times.slice(0, 5), [100, 250, 475, 812.5, 1318.75])
  t.equal((times.at(-1) ?? 0) - (times.at(-2) ?? 0), 1_000)
})

t.test('an interval replaces the delays', async (t) => {
  const { clock, times } = await tried({ kind: 'tcp', port: 80, timing: { interval: 700 } }, () => no)
  await clock.advance(2_200)
  t.strictSame(times, [2, 702, 1_402, 2_102])
})

t.test('an attempt that takes too long is a failed one, and its probe is told', async (t) => {
  const { clock, times, acquired, db } = await tried(
    { kind: 'exec', args: ['x'], timing: { timeout: 50 } },
    () => new Promise(() => undefined),
    1_000,
  )
  await clock.advance(100)
  t.strictSame(times, [100])
  await clock.advance(49)
  t.equal(db.process.probes, 1)
  await clock.advance(151)
  t.strictSame(times, [100, 300], '50 ms for the attempt, 150 ms until the next')
  await clock.advance(1_000)
  t.match(acquired.error, { message: /exec x: no answer within 50 ms/ })
  t.equal(clock.armed, 0)
})

t.test('a check has failed for good after its time; the others who wait go on', async (t) => {
  const check: ServiceCheck = { kind: 'tcp', port: 80, timing: { interval: 100, failsAfter: 300 } }
  const { clock, services, acquired, db, times } = await tried(check, () => no)
  const other = watch(services.acquire('net/db', db, client({ checks: [{ kind: 'tcp', port: 81 }] })))
  await clock.advance(301)
  t.equal(acquired.done, false)
  await clock.advance(1)
  t.strictSame(times.filter((time) => time % 100 === 2).slice(-1), [302])
  t.match(acquired.error, {
    code: 'HEALTH_FAILED',
    message: /^start db\.moorage\.internal \(aliased as www\): not healthy: 80\/tcp: no \(4 checks\)$/,
    log: 'last words',
  })
  t.equal(other.done, false)
  t.equal(services.get('net/db')?.state, 'starting', 'somebody else still waits')
})

t.test('an answer may be final', async (t) => {
  const { clock, services, acquired } = await tried({ kind: 'log', pattern: '(' }, () => ({
    ...no,
    final: true,
  }))
  await clock.advance(2)
  t.match(acquired.error, { code: 'HEALTH_FAILED', message: /log \/\(\/: no \(1 check\)/ })
  t.equal(services.get('net/db')?.state, 'failed')
  t.equal(clock.armed, 0)
})

t.test('a failed check is taken up again for who comes later', async (t) => {
  const check: ServiceCheck = { kind: 'tcp', port: 80, timing: { failsAfter: 0 } }
  const { clock, services, db, acquired } = await tried(check, (count) => (count === 1 ? no : { ok: true }))
  const keeper = watch(services.acquire('net/db', db, client({ checks: [] })))
  await clock.advance(2)
  t.match([acquired.error?.code, keeper.done], ['HEALTH_FAILED', true])
  const later = watch(services.acquire('net/db', db, client({ checks: [check] })))
  await clock.advance(2)
  t.equal(later.done, true)
})

t.test('checks that differ in their timing only are two, equal ones are one', async (t) => {
  const { clock, services, db } = await tried({ kind: 'exec', args: ['a', 'b'] }, () => no)
  const others: ServiceCheck[] = [
    { kind: 'exec', args: ['a', 'b'] },
    { kind: 'exec', args: ['a b'] },
    { kind: 'exec', args: ['a', 'b'], timing: { timeout: 5 } },
    { kind: 'http', port: 80, path: '/' },
    { kind: 'http', port: 80, path: '/', status: [503] },
    { kind: 'log', pattern: 'x' },
    { kind: 'log', pattern: 'x', flags: 'i' },
  ]
  for (const check of others) watch(services.acquire('net/db', db, client({ checks: [check] })))
  await clock.advance(5)
  t.strictSame(
    services.get('net/db')?.checks.map(({ name }) => name),
    ['exec a b', 'exec a b', 'exec a b', '80/http /', '80/http /', 'log /x/', 'log /x/i'],
  )
})
