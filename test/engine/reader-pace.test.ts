import t from 'tap'
import { ReaderPace } from '../../src/engine/registry/reader-pace.ts'

const kept = 4_000
const ahead = 1_000

/** A pace, and what it has allowed the writer. */
function paced() {
  const pace = new ReaderPace({ limit: kept, directory: '/state' })
  const allowed: number[] = []
  pace.connect((upTo) => allowed.push(upTo))
  return { pace, allowed }
}

t.test('the writer may be a quarter of what is kept ahead of its reader', async (t) => {
  const { pace, allowed } = paced()
  t.equal(pace.first, ahead)
  const reader = pace.attach()
  pace.open()
  reader.reached(100)
  t.same(allowed, [], 'small steps are not told')
  reader.reached(250)
  t.same(allowed, [1_250])
  pace.held()
  reader.reached(1_250)
  t.same(allowed, [1_250, 2_250])
})

t.test('of several the fastest counts, and readers of our own are all waited for', async (t) => {
  const { pace, allowed } = paced()
  const slow = pace.attach()
  const fast = pace.attach()
  pace.open()
  fast.reached(5_000)
  t.equal(allowed.at(-1), 6_000)
  const own = pace.attachOwn()
  t.equal(allowed.at(-1), 1_000, 'ours begins at the start')
  own.reached(4_000)
  t.equal(allowed.at(-1), 5_000)
  own[Symbol.dispose]()
  t.equal(allowed.at(-1), 6_000)
  fast[Symbol.dispose]()
  t.equal(allowed.at(-1), 1_000, 'the slow one alone')
  slow[Symbol.dispose]()
  pace.held()
  t.equal(allowed.at(-1), Number.POSITIVE_INFINITY, 'nobody')
})

t.test('a caller that only waits holds up nobody', async (t) => {
  const { pace, allowed } = paced()
  const reader = pace.attach()
  const waiting = pace.attach({ reads: false })
  pace.open()
  pace.held()
  t.same(allowed, [Number.POSITIVE_INFINITY])
  waiting[Symbol.dispose]()
  t.equal(allowed.at(-1), 1_000, 'then the reader does')
  reader.reached(1_000)
  t.equal(allowed.at(-1), 2_000)
})

t.test('nobody is released before all who asked are told of the run', async (t) => {
  const { pace, allowed } = paced()
  pace.held()
  t.same(allowed, [])
  using _reader = pace.attach()
  let held = 0
  pace.open(() => {
    held += 1
  })
  t.same(allowed, [], 'it waits for the reader')
  t.equal(held, 1)
  pace.held()
  t.equal(held, 1, 'told once')
})

t.test('output that cannot be written is a full disk, or lost', async (t) => {
  const full = paced().pace
  full.failed('ENOSPC', 'no space left on device')
  t.match(full.lost.reason, { code: 'DISK_FULL', message: /\/state/ })
  const broken = paced().pace
  broken.failed('EIO', 'i/o error')
  t.match(broken.lost.reason, { code: 'OUTPUT_LOST', message: /i\/o error/ })
})
