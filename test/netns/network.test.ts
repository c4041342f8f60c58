import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createNetwork, prepareHost } from '../../netns/index.ts'
import { inside, openFiles, ownNetwork, ownPlace, remains, run, until } from './support.ts'

t.setTimeout(180_000)

t.test('a network is in the kernel while it lives, and leaves nothing', async (t) => {
  const place = ownPlace(t)
  const filesBefore = openFiles()
  const network = await ownNetwork(t, { ...place, name: 'test', subnet: '10.190.0.0/24', poolSize: 2 })
  t.match(network, {
    name: 'test',
    subnet: '10.190.0.0/24',
    gateway: '10.190.0.1',
    hostRoute: { present: true },
  })
  const box = await network.createSandbox()

  const seen = remains(place).join('\n')
  t.match(seen, `moor${place.instance}u`, 'the uplink')
  t.match(seen, /10\.190\.0\.0\/24 via 169\.254\.2[45]\d/, 'the route')
  t.match(seen, `table inet moorage_${place.instance}`, 'the table')
  t.match(seen, `nsfs ${network.namespace} nsfs`, 'the name')
  t.match(inside(network.namespace, 'ip', '-br', 'addr', 'show', 'br0'), '10.190.0.1/32')
  t.match(inside(box.namespace, 'ip', '-br', 'addr', 'show', 'eth0'), `${box.address}/24`)
  t.match(inside(box.namespace, 'ip', '-br', 'link', 'show', 'eth0'), box.mac)
  t.match(inside(box.namespace, 'ip', '-br', 'addr', 'show', 'lo'), '127.0.0.1/8 ::1/128')
  t.notMatch(inside(box.namespace, 'ip', '-6', 'addr'), /fe80/, 'no IPv6 but the loopback’s')

  await network.destroy()
  t.same(remains(place), [], 'at once, without waiting')
  await until('its descriptors are closed', () => openFiles() <= filesBefore)
})

t.test(
  'every port of the bridge gets only what is for it, and no two have the same name or address',
  async (t) => {
    const network = await ownNetwork(t)
    const boxes = await Promise.all(Array.from({ length: 20 }, () => network.createSandbox()))
    const ports = inside(network.namespace, 'bridge', '-d', 'link').match(/\b(mcast_|bcast_)?flood (on|off)/g)
    t.same(ports?.sort(), [
      ...Array(20).fill('bcast_flood off'),
      ...Array(20).fill('flood off'),
      ...Array(20).fill('mcast_flood off'),
    ])
    const known = inside(network.namespace, 'bridge', 'fdb').match(/^\S+ dev s\d+ master br0 static$/gm) ?? []
    t.same(known.map((line) => line.slice(0, 17)).sort(), boxes.map(({ mac }) => mac).sort())
    t.equal(new Set(boxes.map(({ address }) => address)).size, 20)
  },
)

t.test('links have the MTU of the host’s way out', async (t) => {
  const way = /dev (\S+)/.exec(run('ip', 'route', 'show', 'default'))?.[1] ?? 'lo'
  const mtu = /mtu \d+/.exec(run('ip', 'link', 'show', way))?.[0] ?? ''
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  t.match(inside(box.namespace, 'ip', 'link', 'show', 'eth0'), mtu)
  t.match(inside(network.namespace, 'ip', 'link', 'show', 'br0'), mtu)
})

t.test('sandboxes end one by one, and their addresses rest', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const leases = () => inside(network.namespace, 'nft', 'list', 'map', 'bridge', 'moorage', 'leases')
  t.match(leases(), `. ${box.address} . ${box.mac}`)
  t.equal(network.sandboxes, 1)
  await Promise.all([box.destroy(), box.destroy()])
  t.equal(network.sandboxes, 0)
  t.notMatch(leases(), box.address)
  t.notMatch(inside(network.namespace, 'ip', 'route'), `${box.address} `)
  t.notMatch(inside(network.namespace, 'ip', 'neigh'), `${box.address} `)
  t.throws(() => box.spawn('true'), { code: 'NETWORK_GONE' })
  const ports = () => inside(network.namespace, 'bridge', 'link')
  await until('the kernel has removed its link', () => !ports().includes('master br0'))
  t.not((await network.createSandbox()).address, box.address)
})

t.test('a hundred at once', async (t) => {
  const network = await ownNetwork(t, { poolSize: 4 })
  const boxes = await Promise.all(Array.from({ length: 100 }, () => network.createSandbox()))
  t.equal(new Set(boxes.map(({ address }) => address)).size, 100)
  t.equal(new Set(boxes.map(({ fd }) => fd)).size, 100)
  t.equal(network.sandboxes, 100)
  await Promise.all(boxes.map((box) => box.destroy()))
  t.equal(network.sandboxes, 0)
})

t.test('the pool fills by itself, is taken from, and fills again', async (t) => {
  const network = await ownNetwork(t, { poolSize: 3 })
  await until('it is full', () => network.pooled === 3)
  const box = await network.createSandbox()
  t.equal(network.pooled, 2)
  await until('it is full again', () => network.pooled === 3)
  t.equal(network.sandboxes, 1)
  await box.destroy()
  t.equal(network.pooled, 3, 'what was used is not used again')
})

t.test('a process in a sandbox sees its network, and what it may do without capabilities', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const child = box.spawn(
    'sh',
    [
      '-c',
      'ip -br link; cat /proc/sys/net/ipv4/ping_group_range; cat /proc/sys/net/ipv4/ip_unprivileged_port_start',
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const said = await text(child.stdout as NonNullable<typeof child.stdout>)
  t.match(said, /^lo .*\neth0@/, 'loopback and eth0')
  t.match(said, /0\t2147483647\n0\n$/)
})

t.test('subnets', async (t) => {
  const host = `tst${process.pid % 100000}a`
  run('ip', 'link', 'add', host, 'type', 'veth', 'peer', 'name', `${host}b`)
  t.teardown(() => run('ip', 'link', 'del', host))
  run('ip', 'addr', 'add', '10.191.7.1/24', 'dev', host)
  run('ip', 'link', 'set', host, 'up')
  run('ip', 'link', 'set', `${host}b`, 'up')

  t.test('one that the host uses is refused, and the route named', async (t) => {
    const place = ownPlace(t)
    await t.rejects(createNetwork({ ...place, name: 'test', subnet: '10.191.0.0/16' }), {
      code: 'SUBNET_IN_USE',
      message: new RegExp(`10\\.191\\.7\\.\\d+/\\d+ on ${host}`),
    })
    t.same(remains(place), [])
  })

  t.test('a candidate that the host uses is passed over', async (t) => {
    const network = await ownNetwork(t, { subnets: ['10.191.0.0/16', '10.192.0.0/16'] })
    t.equal(network.subnet, '10.192.0.0/16')
    const next = await ownNetwork(t, { subnets: ['10.191.0.0/16', '10.192.0.0/16', '10.193.0.0/16'] })
    t.equal(next.subnet, '10.193.0.0/16', 'and so is another network’s')
    await t.rejects(createNetwork({ ...ownPlace(t), name: 'x', subnets: ['10.192.0.0/16'] }), {
      code: 'NO_SUBNET',
    })
  })

  t.test('two networks may have the same; the second has no route from the host, and says why', async (t) => {
    const first = await ownNetwork(t, { subnet: '10.194.0.0/16' })
    const second = await ownNetwork(t, { subnet: '10.194.0.0/16' })
    t.same(first.hostRoute, { present: true })
    t.match(second.hostRoute, {
      present: false,
      reason: /10\.194\.0\.0\/16 on moor.* leads to another network/,
    })
  })

  t.test('with the smallest, one sandbox has room', async (t) => {
    const network = await ownNetwork(t, { subnet: '10.195.0.0/30' })
    const box = await network.createSandbox()
    t.equal(box.address, '10.195.0.2')
    await t.rejects(network.createSandbox(), { code: 'ADDRESSES_EXHAUSTED', message: /all 1 addresses/ })
    await box.destroy()
    t.equal((await network.createSandbox()).address, '10.195.0.2')
  })
})

t.test('processes that choose a subnet at the same time choose different ones', async (t) => {
  const { runDirectory } = ownPlace(t)
  const program = `
    import { createNetwork } from ${JSON.stringify(import.meta.resolve('../../netns/index.ts'))}
    const network = await createNetwork({ name: 'p' + process.pid, runDirectory: '${runDirectory}', poolSize: 0 })
    console.log(network.subnet, network.hostRoute.present)
    process.stdin.on('end', () => network.destroy()).resume()`
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  const exits = children.map((child) => once(child, 'exit'))
  const said = await Promise.all(children.map(async ({ stdout }) => String((await once(stdout, 'data'))[0])))
  t.equal(new Set(said).size, 4, said.join(''))
  t.same(
    said.filter((words) => !words.endsWith(' true\n')),
    [],
    'and the host has a route to each',
  )
  for (const { stdin } of children) stdin.end()
  t.same(await Promise.all(exits), Array(4).fill([0, null]))
  t.same(readdirSync(`${runDirectory}/netns`), [])
})

t.test('what cannot be is refused before anything is made', async (t) => {
  const place = ownPlace(t)
  const make = (options: object) => createNetwork({ ...place, name: 'test', ...options })
  await t.rejects(make({ subnet: '10.88.0.1/16' }), { code: 'BAD_CIDR' })
  await t.rejects(make({ subnets: ['10.88.0.0/16', 'nonsense'] }), { code: 'BAD_CIDR' })
  await t.rejects(make({ uplinkRange: '169.254.240.0' }), { code: 'BAD_CIDR' })
  await t.rejects(make({ name: '../escape' }), { code: 'INVALID_NAME' })
  await t.rejects(make({ instance: 'UPPER1' }), { code: 'INVALID_NAME' })
  await t.rejects(make({ signal: AbortSignal.abort(new Error('no')) }), { message: 'no' })
})

t.test('two networks cannot have one name', async (t) => {
  const place = ownPlace(t)
  const network = await ownNetwork(t, place)
  await t.rejects(createNetwork({ ...place, name: 'test' }), {
    code: 'NETWORK_EXISTS',
    message: new RegExp(`process ${process.pid}`),
  })
  t.ok(await network.createSandbox(), 'the first is unharmed')
  await network.destroy()
  t.same(remains(place), [])
})

t.test('who stops waiting for a network leaves none', async (t) => {
  const place = ownPlace(t)
  const patience = new AbortController()
  const made = createNetwork({ ...place, name: 'test', signal: patience.signal })
  patience.abort(new Error('enough'))
  await t.rejects(made, { message: 'enough' })
  t.same(remains(place), [])
})

t.test('after destroy nothing more is made', async (t) => {
  const network = await ownNetwork(t, { poolSize: 4 })
  const waiting = Promise.allSettled(Array.from({ length: 10 }, () => network.createSandbox()))
  await Promise.all([network.destroy(), network.destroy()])
  for (const one of await waiting) {
    if (one.status === 'rejected') t.match(one.reason, { code: 'NETWORK_GONE' })
    else await one.value.destroy()
  }
  await t.rejects(network.createSandbox(), { code: 'NETWORK_GONE' })
  await t.rejects(network.connectTcp(network.gateway, 53), { code: 'NETWORK_GONE' })
  t.throws(() => network.bindUdp(network.gateway, 53), { code: 'NETWORK_GONE' })
})

t.test('sandboxes and their network may be destroyed at the same time', async (t) => {
  const place = ownPlace(t)
  const network = await ownNetwork(t, { ...place, name: 'test', poolSize: 4 })
  const boxes = await Promise.all(Array.from({ length: 250 }, () => network.createSandbox()))
  await Promise.all([...boxes.slice(0, 240).map((box) => box.destroy()), network.destroy()])
  await Promise.all(boxes.map((box) => box.destroy()))
  t.equal(network.sandboxes, 0)
  t.same(remains(place), [])
})

t.test('the host’s table is there while anybody of the instance is', async (t) => {
  const place = ownPlace(t)
  const tables = () => run('nft', 'list', 'tables').includes(place.instance)
  const host = await prepareHost(place)
  t.teardown(() => host.release())
  t.equal(host.table, `moorage_${place.instance}`)
  t.ok(tables())
  const [one, two] = await Promise.all([
    ownNetwork(t, { ...place, name: 'one' }),
    ownNetwork(t, { ...place, name: 'two' }),
  ])
  t.not(one.subnet, two.subnet)
  await host.release()
  await one.destroy()
  t.ok(tables())
  const [, again] = await Promise.all([two.destroy(), ownNetwork(t, { ...place, name: 'one' })])
  t.ok(tables(), 'who comes while the last goes finds it')
  await again.destroy()
  t.notOk(tables())
  t.same(remains(place), [])
})

t.test('a process that has destroyed its networks can end', async (t) => {
  const { runDirectory, instance } = ownPlace(t)
  const program = `
    import { createNetwork } from ${JSON.stringify(import.meta.resolve('../../netns/index.ts'))}
    const network = await createNetwork({ name: 'test', runDirectory: '${runDirectory}', instance: '${instance}' })
    await network.createSandbox()
    await network.destroy()`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'inherit', 'inherit'],
    signal: AbortSignal.timeout(15_000),
  })
  t.same(await once(child, 'exit'), [0, null])
})

t.test('without root it says so', async (t) => {
  const program = `
    import { createNetwork } from ${JSON.stringify(import.meta.resolve('../../netns/index.ts'))}
    process.seteuid(65534)
    await createNetwork({ name: 'test' }).catch((error) => console.log(error.code, error.message))`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], {
    encoding: 'utf8',
  })
  t.equal(stdout, 'NOT_ROOT making a network needs root; this process has uid 65534\n')
})
