/** Many sandboxes: several bridges, and a thousand at once. MOORAGE_LONG=1: four thousand in one network. */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { createNetwork, type Network, type Sandbox } from '../../netns/index.ts'
import { serveEcho, tryTcp } from './peers.ts'
import { inside, openFiles, ownNetwork, ownPlace, remains, until } from './support.ts'

t.setTimeout(600_000)
const long = process.env.MOORAGE_LONG === '1'

const bridgesOf = (network: Network) =>
  inside(network.namespace, 'bridge', 'link').match(/master br\d+/g) ?? []

async function allReach(t: { equal(a: unknown, b: unknown, c: string): unknown }, boxes: readonly Sandbox[]) {
  for (const from of boxes) {
    for (const to of boxes) {
      for (const address of [to.address, to.address6]) {
        if (address === undefined) continue
        const { result } = await tryTcp(from.fd, address, 80)
        t.equal(result, 'open', `${from.address} reaches ${address}`)
      }
    }
  }
}

t.test('where one bridge is full another begins, and all reach one another', async (t) => {
  const network = await ownNetwork(t, { portsPerBridge: 3, ipv6: true })
  const boxes = await Promise.all(Array.from({ length: 10 }, () => network.createSandbox()))
  t.same(bridgesOf(network).sort(), [
    ...Array(3).fill('master br0'),
    ...Array(3).fill('master br1'),
    ...Array(3).fill('master br2'),
    'master br3',
  ])
  const some = boxes.filter((_, index) => index % 3 === 0)
  for (const box of some) await serveEcho(t, box.fd, 80, true)
  await allReach(t, some)
  const last = some.at(-1) as Sandbox
  t.equal((await tryTcp(last.fd, network.gateway, 80)).result, 'ECONNREFUSED', 'the gateway is there on each')
  const server = await network.listenTcp(network.gateway, 53)
  server.on('connection', (client) => client.pipe(client))
  t.teardown(() => server.close())
  t.equal((await tryTcp(last.fd, network.gateway, 53)).result, 'open')
  const fromGateway = await network.connectTcp(last.address, 80, { timeout: 1000 })
  t.equal(fromGateway.localAddress, network.gateway, 'and the same from each')
  fromGateway.destroy()

  await Promise.all(boxes.slice(0, 9).map((box) => box.destroy()))
  await until('their ports are free', () => bridgesOf(network).length === 1)
  await Promise.all(Array.from({ length: 3 }, () => network.createSandbox()))
  t.same(
    bridgesOf(network).sort(),
    [...Array(3).fill('master br0'), 'master br3'],
    'free places are taken again',
  )
})

t.test('a thousand are created and destroyed at once, and nothing is left', async (t) => {
  const place = ownPlace(t)
  const files = openFiles()
  const network = await createNetwork({ ...place, name: 'test', poolSize: 0 })
  const before = inside(network.namespace, 'ip', '-o', 'link')
  const boxes = await Promise.all(Array.from({ length: 1000 }, () => network.createSandbox()))
  t.equal(new Set(boxes.map(({ address }) => address)).size, 1000)
  t.equal(network.sandboxes, 1000)
  await Promise.all(boxes.map((box) => box.destroy()))
  t.equal(network.sandboxes, 0)
  t.equal(inside(network.namespace, 'ip', 'route').match(/br0/g), null, 'no route is left')
  t.equal(inside(network.namespace, 'ip', 'neigh').match(/br0/g), null)
  const sets = inside(network.namespace, 'nft', 'list', 'sets')
  // The sets of the host's own addresses are the network's, not its sandboxes'.
  t.notMatch(sets.replaceAll(/set host6? \{[^}]*\}\s*\}/g, ''), 'elements')
  t.equal(
    inside(network.namespace, 'ip', '-o', 'link').split('\n').length,
    before.split('\n').length,
    'nor a link',
  )
  await network.destroy()
  t.same(remains(place), [])
  await until('its descriptors are closed', () => openFiles() <= files)
})

t.test('a thousand go with their network', async (t) => {
  const place = ownPlace(t)
  const network = await createNetwork({ ...place, name: 'test', poolSize: 0 })
  await Promise.all(Array.from({ length: long ? 1000 : 200 }, () => network.createSandbox()))
  await network.destroy()
  t.same(remains(place), [])
})

t.test(`${long ? 4000 : 1100} in one network reach each other`, async (t) => {
  const count = long ? 4000 : 1100
  const network = await ownNetwork(t, { ipv6: long })
  const boxes = await Promise.all(Array.from({ length: count }, () => network.createSandbox()))
  t.equal(new Set(boxes.map(({ address }) => address)).size, count)
  t.equal(new Set(bridgesOf(network)).size, Math.ceil(count / 1023))
  const step = Math.floor(count / 5)
  const some = boxes.filter((_, index) => index % step === 0 || index === count - 1)
  for (const box of some) await serveEcho(t, box.fd, 80, long)
  await allReach(t, some)

  let restored = 0
  network.on('firewall-restored', () => (restored += 1))
  inside(network.namespace, 'nft', 'flush', 'ruleset')
  await until('their rules are back', () => restored > 0)
  t.equal(
    inside(network.namespace, 'nft', 'list', 'map', 'bridge', 'moorage', 'leases').match(/"s\d+"/g)?.length,
    count,
  )
  t.same([restored, network.problems], [1, []], 'in one go')
  const [first, last] = [some[0], some.at(-1)] as [Sandbox, Sandbox]
  t.equal((await tryTcp(first.fd, last.address, 80)).result, 'open')

  await Promise.all(boxes.map((box) => box.destroy()))
  t.same(bridgesOf(network), [])
})

t.test('two instances side by side do not meet, with the same subnet either', async (t) => {
  const places = [ownPlace(t), ownPlace(t)]
  const networks = await Promise.all(
    places.map((place) => ownNetwork(t, { ...place, name: 'same', subnet: '10.183.0.0/16', poolSize: 1 })),
  )
  const boxes = await Promise.all(networks.map((network) => network.createSandbox()))
  for (const box of boxes) await serveEcho(t, box.fd, 80)
  const [one, two] = networks as [Network, Network]
  t.equal(boxes[0]?.address, boxes[1]?.address)
  const client = await one.createSandbox()
  t.equal((await tryTcp(client.fd, boxes[0]?.address as string, 80)).result, 'open')
  await one.destroy()
  t.same(remains(places[0] as (typeof places)[0]), [])
  t.same(
    readdirSync(`${places[1]?.runDirectory}/netns`).sort(),
    ['same', 'same.json'],
    'the other is unharmed',
  )
  const again = await two.createSandbox()
  t.equal((await tryTcp(again.fd, boxes[1]?.address as string, 80)).result, 'open')
})
