import t from 'tap'
import { defaultLimits } from '../../dns/index.ts'
import { ForwardQueue } from '../../dns/upstream/forward-queue.ts'

const never = new AbortController().signal
const queueOf = (limits: Partial<typeof defaultLimits>) => new ForwardQueue({ ...defaultLimits, ...limits })

t.test('who comes while others of the same client wait goes behind them', async (t) => {
  const queue = queueOf({ forwards: 2, forwardsPerClient: 2 })
  const turns: string[] = []
  t.ok(queue.begin('a'))
  t.ok(queue.begin('b'))
  void queue.wait('a', never)?.then(() => turns.push('first'))
  void queue.wait('a', never)?.then(() => turns.push('second'))
  t.notOk(queue.begin('a'), 'others of it wait')
  t.equal(queue.size, 4)
  queue.end('b')
  await null
  t.same(turns, ['first'])
  t.notOk(queue.begin('a'))
  queue.end('a')
  await null
  t.same(turns, ['first', 'second'])
  queue.end('a')
  queue.end('a')
  t.equal(queue.size, 0)
  t.throws(() => queue.end('a'), RangeError)
})

t.test('a client at its own limit is passed over, and no turn is lost', async (t) => {
  const queue = queueOf({ forwards: 3, forwardsPerClient: 2 })
  const turns: string[] = []
  for (const client of ['a', 'a', 'b']) t.ok(queue.begin(client), client)
  void queue.wait('a', never)?.then(() => turns.push('a'))
  void queue.wait('c', never)?.then(() => turns.push('c'))
  queue.end('b')
  await null
  t.same(turns, ['c'])
  queue.end('c')
  await null
  t.same(turns, ['c'], 'nobody else may')
  t.ok(queue.begin('d'), 'the turn is free')
  queue.end('a')
  await null
  t.same(turns, ['c', 'a'])
})

t.test('who gives up leaves the queue, and makes room in it', async (t) => {
  const queue = queueOf({ forwards: 1, forwardQueue: 2, forwardQueuePerClient: 1 })
  t.ok(queue.begin('a'))
  const leaving = new AbortController()
  const left = queue.wait('a', leaving.signal)
  t.equal(queue.wait('a', never), undefined, 'of this client one may wait')
  const other = queue.wait('b', never)
  t.equal(queue.wait('c', never), undefined, 'of all two')
  t.equal(queue.size, 3)
  leaving.abort(new Error('late'))
  await t.rejects(left as Promise<void>, { message: 'late' })
  t.equal(queue.size, 2)
  await t.rejects(queue.wait('c', AbortSignal.abort(new Error('too late'))) as Promise<void>, {
    message: 'too late',
  })
  t.equal(queue.size, 2)
  queue.end('a')
  await other
  t.equal(queue.size, 1)
  queue.end('b')
  t.equal(queue.size, 0)
  t.ok(queue.begin('c'))
})
