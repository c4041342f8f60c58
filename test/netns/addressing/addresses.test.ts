import t from 'tap'
import { addressText, macBytes, macText, parseSubnet } from '../../../netns/addressing/addresses.ts'

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
