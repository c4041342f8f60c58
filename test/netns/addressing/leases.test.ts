import t from 'tap'
import { addressText, parseSubnet } from '../../../netns/addressing/addresses.ts'
import { AddressLeases } from '../../../netns/addressing/leases.ts'

t.test('leases', async (t) => {
  let now = 0
  const leases = (cidr: string) => new AddressLeases(parseSubnet(cidr), { quarantine: 100, now: () => now })

  t.test('network, gateway and broadcast address are never leased; each other is, once', async (t) => {
    const addresses = leases('10.1.2.0/29')
    const taken = Array.from({ length: 5 }, () => addressText(addresses.take()))
    t.same(taken, ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6'])
    t.throws(() => addresses.take(), {
      code: 'ADDRESSES_EXHAUSTED',
      message: /all 5 addresses of 10\.1\.2\.0\/29/,
    })
  })

  t.test('an address that came back is not the next to go', async (t) => {
    const addresses = leases('10.1.2.0/24')
    const first = addresses.take()
    addresses.release(first)
    t.equal(addresses.take(), first + 1)
  })

  t.test('an address is in quarantine before it is leased again', async (t) => {
    const addresses = leases('10.1.2.0/29')
    const [first, second] = [addresses.take(), addresses.take()]
    addresses.release(second)
    for (let left = 3; left > 0; left--) addresses.take()
    now += 50
    addresses.release(first)
    now += 60
    t.equal(addresses.take(), second, 'its quarantine is over')
    t.equal(addresses.take(), first, 'its is not, but it is better than none')
    t.throws(() => addresses.take(), { code: 'ADDRESSES_EXHAUSTED' })
  })

  t.test('what is returned twice is not leased twice', async (t) => {
    const addresses = leases('10.1.2.0/30')
    const only = addresses.take()
    addresses.release(only)
    addresses.release(only)
    t.equal(addresses.take(), only)
    t.throws(() => addresses.take(), { code: 'ADDRESSES_EXHAUSTED' })
  })
})
