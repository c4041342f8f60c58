/** A route of the host that comes up later, as a VPN's does, and meets a network's subnet. */
import t from 'tap'
import type { NetworkProblem } from '../../netns/index.ts'
import { ownNetwork, run, until } from './support.ts'

t.test('is a problem while it is there, and told when it comes and goes', async (t) => {
  const link = `vpn${process.pid % 100000}`
  run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', `${link}b`)
  t.teardown(() => run('ip', 'link', 'del', link))
  run('ip', 'link', 'set', link, 'up')
  run('ip', 'link', 'set', `${link}b`, 'up')
  const network = await ownNetwork(t, { subnet: '10.186.0.0/16', ipv6: 'fd00:186::/64' })
  const other = await ownNetwork(t, { subnet: '10.187.0.0/16' })
  const told: (readonly NetworkProblem[])[] = []
  network.on('problems', (problems) => told.push(problems))
  t.same(network.problems, [])

  run('ip', 'route', 'add', '10.186.7.0/24', 'dev', link, 'table', '77')
  await until('it is noticed', () => network.problems.length === 1)
  t.match(network.problems, [
    {
      kind: 'subnet-conflict',
      message: new RegExp(`10\\.186\\.0\\.0/16 meets the route 10\\.186\\.7\\.0/24 on ${link}`),
    },
  ])
  run('ip', '-6', 'route', 'add', 'fd00:186::/48', 'dev', link)
  await until('the other one too', () => network.problems.length === 2)
  run('ip', 'route', 'del', '10.186.7.0/24', 'dev', link, 'table', '77')
  run('ip', '-6', 'route', 'del', 'fd00:186::/48', 'dev', link)
  await until('they have gone', () => network.problems.length === 0)
  t.equal(told.at(0)?.length, 1)
  t.equal(told.at(-1)?.length, 0)
  t.same(other.problems, [], 'another network has none')
  t.ok(await network.createSandbox(), 'and all works on')
})
