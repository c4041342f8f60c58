/** Networks that a process left, given up or killed, and another one opens. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { createNetwork, openNetwork, recover } from '../../netns/index.ts'
import { serveEcho, tryTcp } from './peers.ts'
import { dial, inside, ownPlace, type Place, remains } from './support.ts'

t.setTimeout(180_000)

const settings = {
  subnet: '10.184.0.0/16',
  ipv6: 'fd00:184::/64',
  isolation: 'bindings',
  portsPerBridge: 2,
} as const

/** A process that makes a network with sandboxes in it, and does what is said at last. */
async function leave(place: Place, last: string): Promise<{ pid: number; addresses: string[] }> {
  const program = `
    import { createNetwork } from ${JSON.stringify(import.meta.resolve('../../netns/index.ts'))}
    const network = await createNetwork(${JSON.stringify({ ...place, name: 'kept', poolSize: 0, ...settings })})
    const boxes = await Promise.all(Array.from({ length: 5 }, () => network.createSandbox()))
    console.log(boxes.map(({ address }) => address).join())
    ${last}`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const [said] = await once(child.stdout, 'data')
  if (last.includes('forever')) child.kill('SIGKILL')
  await exit
  return { pid: child.pid as number, addresses: String(said).trim().split(',') }
}

const ways = { 'that was given up': 'await network.giveUp()', 'whose process was killed': 'await forever' }

for (const [which, last] of Object.entries(ways)) {
  t.test(`a network ${which} is opened as it was, without its sandboxes`, async (t) => {
    const place = ownPlace(t)
    const { addresses } = await leave(
      place,
      last.replace('forever', 'new Promise(() => setInterval(() => {}, 1e6))//forever'),
    )
    const network = await openNetwork({ ...place, name: 'kept', poolSize: 0 })
    t.teardown(() => network.destroy())
    t.match(network, {
      subnet: '10.184.0.0/16',
      gateway: '10.184.0.1',
      subnet6: 'fd00:184::/64',
      gateway6: 'fd00:184::1',
      isolation: 'bindings',
      hostRoute: { present: true },
      problems: [],
    })
    t.equal(inside(network.namespace, 'bridge', 'link'), '', 'no port is left')
    t.notMatch(inside(network.namespace, 'ip', '-o', 'link'), 'br1')
    t.notMatch(inside(network.namespace, 'ip', 'neigh'), 'br0')
    t.notMatch(inside(network.namespace, 'ip', 'route'), /br0/)
    t.notMatch(inside(network.namespace, 'nft', 'list', 'ruleset'), addresses[0] as string)

    const boxes = await Promise.all(Array.from({ length: 5 }, () => network.createSandbox()))
    for (const { address } of boxes) t.notOk(addresses.includes(address), 'their addresses rest')
    const [service, client] = boxes
    if (service === undefined || client === undefined) throw new Error('no sandboxes')
    await serveEcho(t, service.fd, 80, true)
    t.equal(await dial(client.fd, service.address, 80), 'ECONNREFUSED')
    await network.grant(client, service)
    t.equal(await dial(client.fd, service.address, 80), 'open')
    t.equal((await tryTcp(client.fd, service.address6 as string, 80)).result, 'open')
    await network.destroy()
    t.same(remains(place), [])
  })
}

t.test('who holds a network keeps it', async (t) => {
  const place = ownPlace(t)
  const network = await createNetwork({ ...place, name: 'held', poolSize: 0 })
  t.teardown(() => network.destroy())
  await t.rejects(openNetwork({ ...place, name: 'held' }), {
    code: 'NETWORK_EXISTS',
    message: /in use by another/,
  })
  const before = remains(place)
  t.same(await recover(place), { removed: [], kept: ['held'] })
  t.same(remains(place), before)
})

t.test('one that was given up is not made anew by mistake; recovery removes it', async (t) => {
  const place = ownPlace(t)
  const network = await createNetwork({ ...place, name: 'kept', poolSize: 2 })
  await network.giveUp()
  await t.rejects(network.createSandbox(), { code: 'NETWORK_GONE' })
  await t.rejects(createNetwork({ ...place, name: 'kept' }), {
    code: 'NETWORK_EXISTS',
    message: /gave it up/,
  })
  await t.rejects(openNetwork({ ...place, name: 'kept', instance: '000000' }), { code: 'NETWORK_EXISTS' })
  const again = await openNetwork({ ...place, name: 'kept', instance: place.instance })
  t.ok(await again.createSandbox())
  await again.giveUp()
  const { removed } = await recover(place)
  t.match(removed.join(), /namespace .*\/netns\/kept/)
  t.same(remains(place), [])
})

t.test('what is not there cannot be opened, nor what is damaged', async (t) => {
  const place = ownPlace(t)
  await t.rejects(openNetwork({ ...place, name: 'none' }), {
    code: 'NETWORK_GONE',
    message: /there is no network none/,
  })
  const network = await createNetwork({ ...place, name: 'kept', poolSize: 0 })
  await network.giveUp()
  inside(network.namespace, 'ip', 'link', 'del', 'up0')
  await t.rejects(openNetwork({ ...place, name: 'kept' }), {
    code: 'NETWORK_GONE',
    message: /its uplink .* is gone/,
  })
  await recover(place)
  t.same(remains(place), [])
})
