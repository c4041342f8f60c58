import t from 'tap'
import { chooseSubnet, defaultSubnets } from '../../../netns/addressing/subnets.ts'

t.test('unless others are given the default subnets are tried, from the first on', async (t) => {
  t.equal(chooseSubnet({}, []).text, '10.200.0.0/16')
  const routes = [{ address: '10.200.0.0', length: 13, link: 'eth0' }]
  t.equal(chooseSubnet({}, routes).text, '10.208.0.0/16')
  t.equal(defaultSubnets.at(-1), '10.231.0.0/16')
})

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
