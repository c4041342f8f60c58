/** Rules that somebody changed or flushed come back, in the network and on the host, and it is told. */
import { once } from 'node:events'
import net from 'node:net'
import t from 'tap'
import type { Network, NetworkEvents } from '../../netns/index.ts'
import { serveEcho, tryTcp } from './peers.ts'
import { dial, inside, ownNetwork, ownPlace, run, until } from './support.ts'

t.setTimeout(180_000)

type Restored = Parameters<NetworkEvents['firewall-restored']>[0]

function listen(network: Network): Restored[] {
  const heard: Restored[] = []
  network.on('firewall-restored', (restored) => heard.push(restored))
  return heard
}

const rules = (network: Network) => inside(network.namespace, 'nft', 'list', 'ruleset')

t.test('a network’s rules, flushed: all is as before, leases and grants too', async (t) => {
  const network = await ownNetwork(t, { isolation: 'bindings', ipv6: true })
  const [service, client, stranger] = [
    await network.createSandbox(),
    await network.createSandbox(),
    await network.createSandbox(),
  ]
  await serveEcho(t, service.fd, 80, true)
  await network.grant(client, service)
  const before = rules(network)
  t.match(before, client.address6)
  const heard = listen(network)

  inside(network.namespace, 'nft', 'flush', 'ruleset')
  await until('it is told', () => heard.length > 0)
  t.match(heard, [{ where: 'network', by: /^nft \(process \d+\)$/ }])
  t.equal(rules(network), before)
  t.equal((await tryTcp(client.fd, service.address, 80)).result, 'open')
  t.equal((await tryTcp(stranger.fd, service.address, 80)).result, 'ECONNREFUSED')

  for (const change of [
    ['delete', 'table', 'bridge', 'moorage'],
    ['flush', 'chain', 'inet', 'moorage', 'forward'],
    ['flush', 'set', 'inet', 'moorage', 'grants'],
    ['insert', 'rule', 'inet', 'moorage', 'forward', 'accept'],
    ['add', 'chain', 'inet', 'moorage', 'more'],
  ]) {
    heard.length = 0
    inside(network.namespace, 'nft', ...change)
    await until('it is told', () => heard.length > 0)
    t.equal(rules(network), before, change.join(' '))
  }
  t.same(network.problems, [])
})

t.test('changes made while rules are being put back are not lost', async (t) => {
  const network = await ownNetwork(t, { isolation: 'bindings' })
  const boxes = await Promise.all(Array.from({ length: 4 }, () => network.createSandbox()))
  const [service, ...clients] = boxes
  if (service === undefined) throw new Error('no sandbox')
  await serveEcho(t, service.fd, 80)
  for (let tries = 0; tries < 5; tries++) {
    inside(
      network.namespace,
      'nft',
      ...(tries % 2 ? ['flush', 'ruleset'] : ['flush', 'set', 'inet', 'moorage', 'grants']),
    )
    const late = network.createSandbox()
    await Promise.all(clients.map((client) => network.grant(client, service)))
    for (const client of clients) t.equal(await dial(client.fd, service.address, 80), 'open')
    await Promise.all(clients.map((client) => network.revoke(client, service)))
    for (const client of clients) t.equal(await dial(client.fd, service.address, 80), 'ECONNREFUSED')
    const box = await late
    t.match(rules(network), box.address)
    await box.destroy()
    t.notMatch(rules(network), `. ${box.address} `)
  }
})

t.test('what others do in tables of their own is nobody’s business', async (t) => {
  const network = await ownNetwork(t)
  const heard = listen(network)
  inside(network.namespace, 'nft', 'add', 'table', 'inet', 'theirs')
  await network.createSandbox()
  inside(network.namespace, 'nft', 'delete', 'table', 'inet', 'theirs')
  const box = await network.createSandbox()
  await box.destroy()
  t.same(heard, [])
})

t.test('the host’s rules, deleted', async (t) => {
  const place = ownPlace(t)
  const [one, two] = [
    await ownNetwork(t, { ...place, name: 'one' }),
    await ownNetwork(t, { ...place, name: 'two' }),
  ]
  const heard = [listen(one), listen(two)]
  const table = `moorage_${place.instance}`
  const list = () => run('nft', 'list', 'table', 'inet', table)
  const before = list()
  const server = net.createServer((client) => client.end()).listen(0, '0.0.0.0')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as net.AddressInfo
  const own = /src (\S+)/.exec(run('ip', 'route', 'get', '192.0.2.1'))?.[1] as string
  const box = await one.createSandbox()
  t.equal(await dial(box.fd, own, port), 'ECONNREFUSED')

  run('nft', 'delete', 'table', 'inet', table)
  await until('both are told', () => heard.every((some) => some.length === 1))
  t.match(heard, [[{ where: 'host', by: /^nft/ }], [{ where: 'host', by: /^nft/ }]])
  t.equal(list(), before)
  t.equal(await dial(box.fd, own, port), 'ECONNREFUSED')
})
