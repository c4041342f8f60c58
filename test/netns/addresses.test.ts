import t from 'tap'
import {
  AddressLeases,
  addressText,
  chooseSubnet,
  chooseUplink,
  conflictOf,
  macBytes,
  macText,
  parseSubnet,
} from '../../netns/addressing/addresses.ts'

t.test('a subnet is taken as it is written, or not at all', async (t) => {
  t.match(parseSubnet('10.88.0.0/16'), { text: '10.88.0.0/16', length: 16 })
  t.equal(addressText(parseSubnet('10.88.0.0/16').last), '10.88.255.255')
  t.equal(addressText(parseSubnet('203.0.113.252/30').last), '203.0.113.255')
  const wrong = {
    '': /not an IPv4 subnet/,
    '10.88.0.0': /not an IPv4 subnet/,
    '10.88.0.0/33': /not an IPv4 subnet/,
    '10.88.0.0/016': /not an IPv4 subnet/,
    '010.88.0.0/16': /not an IPv4 subnet/,
    '256.0.0.0/8': /not an IPv4 subnet/,
    '0x0a.0.0.0/8': /not an IPv4 subnet/,
    'fd00::/64': /not an IPv4 subnet/,
    '10.88.0.0/16; flush ruleset': /not an IPv4 subnet/,
    '10.88.0.7/16': /the subnet is 10\.88\.0\.0\/16/,
    '10.0.0.0/7': /prefix must be from \/8 to \/30/,
    '10.88.0.0/31': /prefix must be from \/8 to \/30/,
  }
  for (const [text, message] of Object.entries(wrong)) {
    t.throws(() => parseSubnet(text), { name: 'NetnsError', code: 'BAD_CIDR', message }, text)
  }
})

t.test('a MAC follows from its address', async (t) => {
  t.equal(macText(macBytes('10.88.0.255')), '02:6d:0a:58:00:ff')
})

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

t.test(
  'the first candidate that meets no route is chosen; when none does, each reason is told',
  async (t) => {
    const routes = [{ address: '10.200.0.0', length: 16, link: 'docker0' }]
    t.equal(chooseSubnet(['10.200.0.0/16', '10.201.0.0/16'], routes).text, '10.201.0.0/16')
    t.throws(() => chooseSubnet(['10.200.0.0/16'], routes), {
      code: 'NO_SUBNET',
      message: /10\.200\.0\.0\/16 meets the route 10\.200\.0\.0\/16 on docker0/,
    })
  },
)

t.test(
  'the host’s DNS servers are in nobody’s subnet; a default route cut in two is no network',
  async (t) => {
    const nameserver = { address: '10.200.0.53', length: 32, link: undefined, nameserver: true }
    t.equal(chooseSubnet(['10.200.0.0/16', '10.201.0.0/16'], [nameserver]).text, '10.201.0.0/16')
    t.throws(() => chooseSubnet(['10.200.0.0/16'], [nameserver]), {
      message: /10\.200\.0\.0\/16 meets the host's DNS server 10\.200\.0\.53/,
    })
    const halves = ['0.0.0.0', '128.0.0.0'].map((address) => ({ address, length: 1, link: 'tun0' }))
    t.equal(chooseSubnet(['10.200.0.0/16'], halves).text, '10.200.0.0/16')
  },
)

t.test('an uplink gets a pair of addresses that nobody has', async (t) => {
  const range = parseSubnet('169.254.240.0/30', 31)
  const pair = (start: number, ...taken: string[]) => {
    const routes = taken.map((address) => ({ address, length: 32, link: undefined }))
    const { host, network } = chooseUplink(range, routes, start)
    return [addressText(host), addressText(network)]
  }
  t.same(pair(0), ['169.254.240.0', '169.254.240.1'])
  t.same(pair(1), ['169.254.240.2', '169.254.240.3'])
  t.same(pair(1, '169.254.240.3'), ['169.254.240.0', '169.254.240.1'], 'after the last comes the first')
  t.throws(() => pair(0, '169.254.240.0', '169.254.240.3'), { code: 'NO_UPLINK' })
})

t.test('leases', async (t) => {
  let now = 0
  const leases = (cidr: string) => new AddressLeases(parseSubnet(cidr), { quarantine: 100, now: () => now })

  t.test('network, gateway and broadcast address are never leased; each other is, once', async (t) => {
    const pool = leases('10.1.2.0/29')
    const taken = Array.from({ length: 5 }, () => addressText(pool.take()))
    t.same(taken, ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6'])
    t.throws(() => pool.take(), {
      code: 'ADDRESSES_EXHAUSTED',
      message: /all 5 addresses of 10\.1\.2\.0\/29/,
    })
  })

  t.test('an address that came back is not the next to go', async (t) => {
    const pool = leases('10.1.2.0/24')
    const first = pool.take()
    pool.release(first)
    t.equal(pool.take(), first + 1)
  })

  t.test('an address rests before it is leased again', async (t) => {
    const pool = leases('10.1.2.0/29')
    const [first, second] = [pool.take(), pool.take()]
    pool.release(second)
    for (let left = 3; left > 0; left--) pool.take()
    now += 50
    pool.release(first)
    now += 60
    t.equal(pool.take(), second, 'has rested')
    t.equal(pool.take(), first, 'has not, but is better than none')
    t.throws(() => pool.take(), { code: 'ADDRESSES_EXHAUSTED' })
  })

  t.test('what is returned twice is not leased twice', async (t) => {
    const pool = leases('10.1.2.0/30')
    const only = pool.take()
    pool.release(only)
    pool.release(only)
    t.equal(pool.take(), only)
    t.throws(() => pool.take(), { code: 'ADDRESSES_EXHAUSTED' })
  })
})
