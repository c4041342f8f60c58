import t from 'tap'
import { parseSubnet } from '../../../netns/addressing/addresses.ts'
import { chooseSubnet, defaultSubnets } from '../../../netns/addressing/subnets.ts'

t.test('unless others are given the default subnets are tried, from the first on', async (t) => {
  t.equal(chooseSubnet({}, []).text, '10.200.0.0/16')
  const routes = [{ address: '10.200.0.0', length: 13, link: 'eth0' }]
  t.equal(chooseSubnet({}, routes).text, '10.208.0.0/16')
  t.equal(defaultSubnets[31], '10.231.0.0/16')
  for (const text of defaultSubnets) t.equal(parseSubnet(text).text, text)
  const metadata = { address: '100.100.100.200', length: 32, link: undefined }
  for (const subnet of defaultSubnets) t.equal(chooseSubnet({ subnets: [subnet] }, [metadata]).text, subnet)
})

const vpn = (...subnets: string[]) =>
  subnets.map((text) => {
    const [address = '', length] = text.split('/')
    return { address, length: Number(length), link: 'vpn0' }
  })

t.test('a VPN that has all of a private range leaves others (N14)', async (t) => {
  const chosen = (...routes: string[]) => chooseSubnet({}, vpn(...routes)).text
  t.match(chosen('10.0.0.0/8'), /^172\.(1[6-9]|2\d|3[01])\./)
  t.match(chosen('10.0.0.0/9', '10.128.0.0/9'), /^172\./)
  t.match(chosen('10.0.0.0/8', '172.16.0.0/12'), /^192\.168\./)
  t.match(chosen('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'), /^198\.18\./)
  t.match(chosen('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '198.18.0.0/15'), /^100\./)
})

t.test(
  'with no candidate left the error has a clause for each route, and not for each candidate (N14b)',
  async (t) => {
    const all = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '198.18.0.0/15', '100.64.0.0/10']
    const { message } = t.throws(() => chooseSubnet({}, vpn(...all)), { code: 'NO_SUBNET' }) as Error
    t.match(message, '10.200.0.0/16 to 10.231.0.0/16 (32 of them) meet the route 10.0.0.0/8 on vpn0; ')
    t.equal(message.split('; ').length, all.length)
    const each = defaultSubnets.flatMap((text) => vpn(text))
    const many = t.throws(() => chooseSubnet({}, each), { code: 'NO_SUBNET' }) as Error
    t.match(many.message, `and ${defaultSubnets.length - 6} more`)
    t.ok(many.message.length < 600, `${many.message.length} characters`)
  },
)

t.test('a subnet that is given may be one of our own networks’, and nobody else’s', async (t) => {
  const route = (link: string) => ({ address: '10.88.0.0', length: 16, link })
  t.equal(chooseSubnet({ subnet: '10.88.0.0/16' }, [route('moorabcdefu0')]).text, '10.88.0.0/16')
  t.throws(() => chooseSubnet({ subnet: '10.88.0.0/16' }, [route('eth1')]), { code: 'SUBNET_IN_USE' })
})

t.test(
  'the first candidate that meets no route is chosen; when none does, each reason is told',
  async (t) => {
    const routes = [{ address: '10.200.0.0', length: 16, link: 'docker0' }]
    t.equal(chooseSubnet({ subnets: ['10.200.0.0/16', '10.201.0.0/16'] }, routes).text, '10.201.0.0/16')
    t.throws(() => chooseSubnet({ subnets: ['10.200.0.0/16'] }, routes), {
      code: 'NO_SUBNET',
      message: /10\.200\.0\.0\/16 meets the route 10\.200\.0\.0\/16 on docker0/,
    })
  },
)

t.test(
  'the host’s DNS servers are in nobody’s subnet; a default route cut in two is no network',
  async (t) => {
    const nameserver = { address: '10.200.0.53', length: 32, link: undefined, nameserver: true }
    t.equal(chooseSubnet({ subnets: ['10.200.0.0/16', '10.201.0.0/16'] }, [nameserver]).text, '10.201.0.0/16')
    t.throws(() => chooseSubnet({ subnets: ['10.200.0.0/16'] }, [nameserver]), {
      message: /10\.200\.0\.0\/16 meets the host's DNS server 10\.200\.0\.53/,
    })
    const halves = ['0.0.0.0', '128.0.0.0'].map((address) => ({ address, length: 1, link: 'tun0' }))
    t.equal(chooseSubnet({ subnets: ['10.200.0.0/16'] }, halves).text, '10.200.0.0/16')
  },
)
