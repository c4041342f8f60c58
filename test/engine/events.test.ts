import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { ProgressEvent } from '../../src/definition/index.ts'
import { EventLog, type NewEvent } from '../../src/engine/events/event-log.ts'
import { EventSubscription } from '../../src/engine/events/event-subscription.ts'

const exec = (id: string, state: 'waiting' | 'running' | 'done' | 'failed', network?: string): NewEvent => ({
  kind: 'exec',
  id,
  name: id,
  state,
  ...(network === undefined ? {} : { network }),
})
const service = (
  id: string,
  state: 'starting' | 'ready' | 'grace' | 'stopped',
  network = 'default',
): NewEvent => ({ kind: 'service', id, name: id, state, network })
const lease = (id: string, holder: string): NewEvent => ({
  kind: 'lease',
  id,
  name: id,
  state: 'taken',
  holder,
  network: 'default',
})
const words = (events: readonly ProgressEvent[]) =>
  events.map(({ seq, id, state }) => `${seq} ${id} ${state}`)

function follow(log: EventLog, ids: string[], holder?: string) {
  const told: ProgressEvent[] = []
  const onEvent = (event: ProgressEvent) => void told.push(event)
  const subscription = new EventSubscription(log, {
    network: 'default',
    onEvent,
    ...(holder === undefined ? {} : { holder }),
  })
  subscription.watch(ids)
  return { told, subscription }
}

t.test('events are numbered without gaps, and read from any number on', async (t) => {
  const log = new EventLog({ size: 4 })
  t.same([log.oldest, log.latest], [1, 0])
  t.same(log.read(0), { events: [], missed: 0 })
  for (let n = 1; n <= 6; n += 1) log.append(exec(`r${n}`, 'running'))
  t.same([log.oldest, log.latest], [3, 6])
  t.strictSame(words(log.read(4).events), ['5 r5 running', '6 r6 running'])
  t.strictSame(words(log.read(0, 2).events), ['3 r3 running', '4 r4 running'])
  t.equal(log.read(0).missed, 2, 'the two oldest are gone')
  t.equal(log.read(2).missed, 0)
  t.same(log.read(6), { events: [], missed: 0 })
  t.equal(new EventLog().id === log.id, false)
})

t.test('a moment is found by its time', async (t) => {
  const log = new EventLog({ size: 3 })
  t.equal(log.before(5), 0)
  for (const time of [10, 20, 20, 30, 40]) log.append({ ...exec('r', 'running'), time })
  t.equal(log.before(40), 4)
  t.equal(log.before(30), 3)
  t.equal(log.before(41), 5)
  t.equal(log.before(0), 2, 'what is kept')
})

t.test('whoever waits for more is woken by the next event, or by the end of his interest', async (t) => {
  const log = new EventLog()
  const abort = new AbortController()
  const woken: string[] = []
  const more = log.more(0, abort.signal).then(() => woken.push('by an event'))
  await setImmediate()
  t.same(woken, [], 'nothing has come yet')
  log.append(exec('r', 'running'))
  await more
  await t.resolves(log.more(0, abort.signal), 'what has come is not waited for')
  const none = log.more(1, abort.signal).then(() => woken.push('by the end'))
  await setImmediate()
  t.same(woken, ['by an event'])
  abort.abort()
  await none
  t.same(woken, ['by an event', 'by the end'])
  await t.resolves(log.more(1, abort.signal), 'nobody waits without interest')
})

t.test('a failure, also of something called error, is an event like any other', async (t) => {
  const log = new EventLog()
  const { told } = follow(log, ['error'])
  log.append(exec('error', 'failed'))
  t.strictSame(words(told), ['1 error failed'])
})

t.test('a caller is told of what its call is about, and of nothing else', async (t) => {
  const log = new EventLog()
  const { told, subscription } = follow(log, ['run', 'db'])
  log.append(exec('run', 'waiting', 'default'))
  log.append(service('db', 'starting'))
  log.append(service('db', 'starting', 'elsewhere'))
  log.append(service('web', 'starting'))
  log.append(lease('db', 'run run'))
  log.append(lease('db', 'run other'))
  log.append(lease('db', 'session 1'))
  subscription.watch(['web'])
  log.append(lease('web', 'service db'))
  subscription[Symbol.dispose]()
  log.append(exec('run', 'done', 'default'))
  t.strictSame(words(told), ['1 run waiting', '2 db starting', '5 db taken', '4 web starting', '8 web taken'])
  const holder = follow(log, ['db'], 'session 1')
  log.append(lease('db', 'session 1'))
  log.append(lease('db', 'session 2'))
  t.strictSame(words(holder.told).slice(-1), ['10 db taken'])
})

t.test(
  'who comes late is told of a run from its start, and of services from where they were then',
  async (t) => {
    const log = new EventLog({ size: 2 })
    log.append(exec('run', 'running'))
    log.append(exec('run', 'done'))
    log.append(service('old', 'starting'))
    log.append(service('old', 'ready'))
    log.append(service('old', 'grace'))
    log.append(service('old', 'ready'))
    log.append(exec('run', 'waiting'))
    log.append({
      ...lease('old', 'run run'),
      kind: 'wait',
      state: 'waiting',
      detail: 'its start',
    } as NewEvent)
    log.append(lease('old', 'run run'))
    log.append({
      ...lease('new', 'run run'),
      kind: 'wait',
      state: 'waiting',
      detail: 'its start',
    } as NewEvent)
    log.append(service('new', 'starting'))
    log.append(service('new', 'ready'))
    log.append(exec('run', 'running'))
    for (let n = 0; n < 10; n += 1) log.append(exec(`noise ${n}`, 'running'))
    const { told } = follow(log, ['run', 'old', 'new'])
    t.strictSame(words(told), [
      '6 old ready',
      '7 run waiting',
      '8 old waiting',
      '9 old taken',
      '10 new waiting',
      '11 new starting',
      '12 new ready',
      '13 run running',
    ])
    log.append(exec('run', 'done'))
    t.same(words(told).at(-1), '24 run done')
    const after = follow(log, ['run'])
    t.same(after.told, [], 'a run that has ended is not told of')
  },
)

t.test(
  'who comes while a service starts is told of its start; of a download he gets the last word',
  async (t) => {
    const log = new EventLog()
    log.append(service('db', 'starting'))
    log.append({
      kind: 'check',
      id: 'db',
      name: 'db',
      network: 'default',
      check: '1/tcp',
      state: 'waiting',
      count: 1,
    })
    log.append({ kind: 'image', id: 'img', name: 'img', state: 'running', detail: 'pulling' })
    for (const done of [1, 2, 3])
      log.append({ kind: 'image', id: 'img', name: 'img', state: 'running', bytes: { done, total: 3 } })
    const { told } = follow(log, ['db', 'img'])
    t.strictSame(words(told), ['1 db starting', '2 db waiting', '3 img running', '6 img running'])
  },
)

t.test('a run and a service of one label have a story each', async (t) => {
  const log = new EventLog()
  log.append(exec('same', 'waiting'))
  log.append(service('same', 'starting'))
  log.append(exec('same', 'done'))
  const { told } = follow(log, ['same'])
  t.strictSame(words(told), ['2 same starting'])
})

t.test('what has ended is forgotten after 2,000 others, what lives is not', async (t) => {
  const log = new EventLog()
  log.append(service('alive', 'starting'))
  log.append(exec('gone', 'running'))
  log.append(exec('gone', 'done'))
  for (let n = 0; n < 2_000; n += 1) log.append(exec(`r${n}`, 'failed'))
  t.equal(log.history.of('gone', 'default').length, 0)
  t.equal(log.history.of('r0', 'default').length, 1)
  t.equal(log.history.of('alive', 'default').length, 1)
  for (let n = 0; n < 500; n += 1) log.append(lease('alive', `run ${n}`))
  const [story] = log.history.of('alive', 'default')
  t.equal(story?.holders.length, 100)
  t.equal(story?.states.length, 1, 'a busy service does not forget why it runs')
})
