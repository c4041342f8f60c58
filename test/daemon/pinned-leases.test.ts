import t from 'tap'
import { PinnedLeases } from '../../src/daemon/pinned-leases.ts'
import { VirtualClock } from '../lifecycle/virtual-clock.ts'

function made() {
  const clock = new VirtualClock()
  const pins = new PinnedLeases({ timer: (fn, ms) => clock.setTimeout(fn, ms), now: () => clock.now() })
  const released: string[] = []
  const lease = (name: string) => ({
    release: () => void released.push(name),
    lost: new Promise<void>(() => undefined),
  })
  return { clock, pins, released, lease }
}

t.test('a pin lasts until it is let go of, or for its time', async (t) => {
  const { clock, pins, released, lease } = made()
  pins.hold('a', lease('for ever'))
  pins.hold('b', lease('5 s'), { lasting: 5_000 })
  await clock.advance(4_999)
  t.strictSame([pins.size, released], [2, []])
  await clock.advance(1)
  t.strictSame([pins.size, released], [1, ['5 s']])
  pins.release('a')
  pins.release('a')
  t.strictSame([pins.size, released], [0, ['5 s', 'for ever']])
})

t.test('of two pins of a service the longer one is kept', async (t) => {
  const { clock, pins, released, lease } = made()
  pins.hold('a', lease('5 s'), { lasting: 5_000 })
  pins.hold('a', lease('1 s'), { lasting: 1_000 })
  pins.hold('a', lease('9 s'), { lasting: 9_000 })
  t.strictSame(released, ['1 s', '5 s'])
  await clock.advance(8_999)
  t.equal(pins.size, 1)
  pins.hold('a', lease('for ever'))
  await clock.advance(100_000)
  pins.hold('a', lease('again'), { lasting: 1_000 })
  t.strictSame([pins.size, released], [1, ['1 s', '5 s', '9 s', 'again']])
  pins.release('a')
  t.equal(clock.armed, 0)
})

t.test('a pin whose service is lost is gone, with its timer', async (t) => {
  const { clock, pins, released } = made()
  const lost = Promise.withResolvers<void>()
  pins.hold('a', { release: () => void released.push('a'), lost: lost.promise }, { lasting: 5_000 })
  lost.resolve()
  await lost.promise
  await clock.advance(0)
  t.strictSame([pins.size, clock.armed], [0, 0])
})

t.test('a pin on which something hangs is kept besides, for its own time', async (t) => {
  const { clock, pins, released, lease } = made()
  pins.hold('a', lease('ports'), { lasting: 1_000, needed: true })
  pins.hold('a', lease('for ever'))
  pins.hold('a', lease('more ports'), { needed: true })
  pins.hold('a', lease('enough'))
  t.strictSame(released, ['for ever', 'enough'], 'the last one but that with ports is not needed')
  await clock.advance(1_000)
  t.strictSame(released, ['for ever', 'enough', 'ports'])
  pins.release('a')
  t.strictSame([pins.size, released.length], [0, 4])
})
