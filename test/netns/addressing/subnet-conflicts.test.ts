import t from 'tap'
import { parseSubnet } from '../../../netns/addressing/addresses.ts'
import { parseSubnet6 } from '../../../netns/addressing/addresses6.ts'
import { conflictOf, conflictOf6 } from '../../../netns/addressing/subnet-conflicts.ts'

t.test('a subnet conflicts with what overlaps it, either way, and never with a default route', async (t) => {
  const subnet = parseSubnet('10.88.0.0/16')
  const route = (address: string, length: number) => ({ address, length, link: 'eth9' })
  t.equal(
    conflictOf(subnet, [route('0.0.0.0', 0), route('10.87.0.0', 16), route('10.89.0.0', 16)]),
    undefined,
  )
  for (const met of [
    route('10.0.0.0', 8),
    route('10.88.7.0', 24),
    route('10.88.255.255', 32),
    route('10.88.0.0', 16),
  ]) {
    t.same(conflictOf(subnet, [route('0.0.0.0', 0), met]), met)
  }
})

t.test('IPv6 routes that meet a subnet are found, ways to the outside are none', async (t) => {
  const subnet = parseSubnet6('fd00:1:2:3::/64')
  const route = (address: string, length: number) => ({ address, length, link: 'x' })
  for (const [address, length, meets] of [
    ['fd00:1:2::', 48, true],
    ['fd00:1:2:3::', 64, true],
    ['fd00:1:2:3::7', 128, true],
    ['fd00:1:2:4::', 64, false],
    ['::', 0, false],
    ['fc00::', 7, false],
    ['2000::', 3, false],
  ] as const) {
    t.equal(conflictOf6(subnet, [route(address, length)]) !== undefined, meets, `${address}/${length}`)
  }
})
