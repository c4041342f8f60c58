import t from 'tap'
import { parseSubnet } from '../../../netns/addressing/addresses.ts'
import { address6Of, parseSubnet6, randomSubnet6 } from '../../../netns/addressing/addresses6.ts'

t.test('subnets are checked, and written as everybody writes them', async (t) => {
  for (const [given, canonical] of [
    ['fd00::/64', 'fd00::/64'],
    ['FD00:0:0:1:0:0:0:0/64', 'fd00:0:0:1::/64'],
    ['fd00:1:2::/48', 'fd00:1:2::/48'],
    ['2001:db8:0:0:5:6::/96', '2001:db8::5:6:0:0/96'],
  ] as const) {
    t.equal(parseSubnet6(given).text, canonical)
  }
  for (const wrong of [
    'fd00::1/64',
    'fd00::/47',
    'fd00::/97',
    'fd00::',
    'fd00::/x',
    'fe80::%eth0/64',
    '10.0.0.0/8',
    '::ffff/64/64',
  ]) {
    t.throws(() => parseSubnet6(wrong), { code: 'BAD_CIDR' }, wrong)
  }
  t.match(randomSubnet6().text, /^fd[0-9a-f:]+\/64$/)
  t.not(randomSubnet6().text, randomSubnet6().text)
})

t.test('an address is the IPv4 one’s number in the other subnet', async (t) => {
  const [subnet, subnet6] = [parseSubnet('10.9.0.0/16'), parseSubnet6('fd00:1::/64')]
  t.equal(
    address6Of(subnet6, subnet, subnet.first + 0x1234).toString('hex'),
    'fd000001000000000000000000001234',
  )
})
