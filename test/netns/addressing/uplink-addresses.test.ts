import t from 'tap'
import { addressText, parseSubnet } from '../../../netns/addressing/addresses.ts'
import { chooseUplinkAddresses, uplinkAddress6 } from '../../../netns/addressing/uplink-addresses.ts'

t.test('an uplink gets a pair of addresses that nobody has', async (t) => {
  const range = parseSubnet('169.254.240.0/30', 31)
  const pair = (start: number, ...taken: string[]) => {
    const routes = taken.map((address) => ({ address, length: 32, link: undefined }))
    const { host, network } = chooseUplinkAddresses(range, routes, start)
    return [addressText(host), addressText(network)]
  }
  t.same(pair(0), ['169.254.240.0', '169.254.240.1'])
  t.same(pair(1), ['169.254.240.2', '169.254.240.3'])
  t.same(pair(1, '169.254.240.3'), ['169.254.240.0', '169.254.240.1'], 'after the last comes the first')
  t.throws(() => pair(0, '169.254.240.0', '169.254.240.3'), { code: 'NO_UPLINK' })
})

t.test('its IPv6 addresses follow from those of IPv4', async (t) => {
  t.equal(uplinkAddress6(Buffer.of(169, 254, 240, 1)).toString('hex'), 'fd6d6f6f7261676500000000a9fef001')
})
