/** Tests who reaches whom. The servers are real, and each refusal has a control that is not refused. */

import { once } from 'node:events'
import { closeSync } from 'node:fs'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createNetwork, type Network, type Sandbox } from '../../netns/index.ts'
import { createNamespace } from '../../netns/kernel/index.ts'
import { connectTcp, listenTcp } from '../../netns/sockets/sockets.ts'
import { dial, inside, ownNetwork, ownPlace, run } from './support.ts'

t.setTimeout(180_000)

interface Test {
  teardown(fn: () => unknown): unknown
}

/** A server that tells each client which address it comes from. */
async function serve(t: Test, namespace: number, address: string, port: number): Promise<net.Server> {
  const server = await listenTcp(namespace, address, port)
  server.on('connection', (client) => client.end(String(client.remoteAddress)).on('error', () => {}))
  t.teardown(() => server.close())
  return server
}

async function askWhoIAm(namespace: number, address: string, port: number): Promise<string> {
  return text(await connectTcp(namespace, address, port, { timeout: 2000 }))
}

const pair = async (network: Network): Promise<[Sandbox, Sandbox]> => [
  await network.createSandbox(),
  await network.createSandbox(),
]

t.test('a sandbox reaches another of its network, from its own address', async (t) => {
  const network = await ownNetwork(t)
  const [server, client] = await pair(network)
  await serve(t, server.fd, server.address, 80)
  t.equal(await askWhoIAm(client.fd, server.address, 80), client.address)
  t.equal(await dial(client.fd, server.address, 81), 'ECONNREFUSED', 'a port that nobody listens on')
})

t.test('a sandbox’s peers are in its subnet, and all still goes to the gateway (N02, N04)', async (t) => {
  for (const [subnet, length] of [
    ['10.198.0.0/16', 16],
    ['10.199.4.0/22', 22],
    ['10.199.8.0/30', 30],
  ] as const) {
    const network = await ownNetwork(t, { subnet, ipv6: 'fd00:17::/64' })
    const box = await network.createSandbox()
    const ip = (...args: string[]) => inside(box.namespace, 'ip', ...args)
    const addresses = JSON.parse(ip('-j', 'addr', 'show', 'dev', 'eth0'))[0].addr_info
    t.match(addresses, [
      { local: box.address, prefixlen: length, noprefixroute: true },
      { local: box.address6, prefixlen: 64, noprefixroute: true },
    ])
    for (const [family, gateway, peer] of [
      ['-4', network.gateway, network.gateway.replace(/1$/, '2')],
      ['-6', network.gateway6 as string, 'fd00:17::ffff'],
    ] as const) {
      const routes: { dst: string; gateway?: string }[] = JSON.parse(ip('-j', family, 'route', 'show'))
      t.same(routes.map(({ dst }) => dst).sort(), [gateway, 'default'].sort(), `${subnet} ${family}`)
      if (peer !== box.address) t.match(ip(family, 'route', 'get', peer), `via ${gateway} dev eth0`)
    }
  }
})

t.test('a broadcast of a sandbox reaches nobody', async (t) => {
  const network = await ownNetwork(t, { subnet: '10.198.0.0/24' })
  const [one, other] = await pair(network)
  const heard: string[] = []
  const sockets = [other.bindUdp(7000), network.bindUdp('0.0.0.0', 7000)]
  for (const socket of sockets) socket.on('message', (message) => heard.push(String(message)))
  t.teardown(() => {
    for (const socket of sockets) socket.close()
  })
  const script = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for address in ['10.198.0.255', '255.255.255.255']: s.sendto(b'to all', (address, 7000))
s.sendto(b'to one', (sys.argv[1], 7000))`
  const arrived = once(sockets[0] as NonNullable<(typeof sockets)[0]>, 'message')
  inside(one.namespace, '/usr/bin/python3', '-c', script, other.address)
  await arrived
  t.same(heard, ['to one'])
})

t.test('not even the first packet of a new network is lost', async (t) => {
  const place = ownPlace(t)
  for (let tries = 0; tries < 20; tries++) {
    await using network = await createNetwork({ ...place, name: 'test', poolSize: 0 })
    const [server, client] = await pair(network)
    // A lost SYN is sent again after a second, which is what dial waits at most.
    if ((await dial(client.fd, server.address, 80)) !== 'ECONNREFUSED') t.fail(`lost at try ${tries}`)
  }
  t.pass()
})

t.test('an address that nobody has is refused at once', async (t) => {
  const network = await ownNetwork(t)
  const [server, client] = await pair(network)
  await serve(t, server.fd, server.address, 80)
  t.equal(await dial(client.fd, network.gateway.replace(/1$/, '250'), 80), 'ECONNREFUSED')
  t.equal(await dial(client.fd, server.address, 80), 'open')
  await server.destroy()
  t.equal(await dial(client.fd, server.address, 80), 'ECONNREFUSED', 'and so is one that has gone')
  await t.rejects(network.connectTcp(server.address, 80, { timeout: 1000 }), { code: 'ECONNREFUSED' })
})

t.test('of the gateway a sandbox reaches DNS and nothing more', async (t) => {
  const network = await ownNetwork(t)
  const client = await network.createSandbox()
  for (const port of [53, 80]) {
    const server = await network.listenTcp(network.gateway, port)
    server.on('connection', (connection) => connection.end())
    t.teardown(() => server.close())
  }
  t.equal(await dial(client.fd, network.gateway, 53), 'open')
  t.equal(await dial(client.fd, network.gateway, 80), 'ECONNREFUSED')
  const self = await network.connectTcp(network.gateway, 80, { timeout: 1000 })
  self.destroy()

  const udp = network.bindUdp(network.gateway, 53)
  t.teardown(() => udp.close())
  const asked = once(udp, 'message')
  const script =
    'import socket,sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"who", (sys.argv[1], 53))'
  inside(client.namespace, '/usr/bin/python3', '-c', script, network.gateway)
  const [message, from] = await asked
  t.equal(String(message), 'who')
  t.equal(from.address, client.address)
})

t.test(
  'the host reaches a sandbox over its route, and a network reaches its own from the gateway',
  async (t) => {
    const network = await ownNetwork(t)
    const server = await network.createSandbox()
    await serve(t, server.fd, server.address, 80)
    t.equal(await text(await network.connectTcp(server.address, 80, { timeout: 2000 })), network.gateway)
    const connection = net.connect(80, server.address)
    t.match(await text(connection), /^169\.254\.2/, 'from the uplink')
  },
)

t.test('networks are apart, even with the same subnet', async (t) => {
  const [one, two] = [await ownNetwork(t), await ownNetwork(t)]
  t.same(
    [one.hostRoute, two.hostRoute],
    [{ present: true }, { present: true }],
    'the host would know the way',
  )
  const [server, client] = [await one.createSandbox(), await two.createSandbox()]
  await serve(t, server.fd, server.address, 80)
  t.equal(await dial(client.fd, server.address, 80), 'ECONNREFUSED')
  t.equal(await text(await one.connectTcp(server.address, 80)), one.gateway)

  const same = { subnet: '10.196.0.0/24' }
  const [left, right] = [await ownNetwork(t, same), await ownNetwork(t, same)]
  const [leftBox, rightBox] = [await left.createSandbox(), await right.createSandbox()]
  t.equal(leftBox.address, rightBox.address)
  const [leftClient, rightClient] = [await left.createSandbox(), await right.createSandbox()]
  await serve(t, leftBox.fd, leftBox.address, 80)
  t.equal(await dial(leftClient.fd, leftBox.address, 80), 'open')
  t.equal(await dial(rightClient.fd, rightBox.address, 80), 'ECONNREFUSED', 'here nobody listens')
})

/** A namespace behind the host, as the outside world: 198.51.100.x and the metadata address are there. */
async function outside(t: Test) {
  const { fd } = createNamespace(() => undefined)
  const path = `/proc/${process.pid}/fd/${fd}`
  const number = process.pid % 60
  const [host, there] = [`198.51.100.${number * 4 + 1}`, `198.51.100.${number * 4 + 2}`]
  const link = `out${process.pid % 1000000}`
  run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', path)
  t.teardown(() => {
    // The link first: closing the namespace takes it too, at the kernel's own time.
    run('ip', 'link', 'del', link)
    closeSync(fd)
  })
  run('ip', 'addr', 'add', `${host}/30`, 'dev', link)
  run('ip', 'link', 'set', link, 'up')
  inside(path, 'ip', 'addr', 'add', `${there}/30`, 'dev', 'eth0')
  inside(path, 'ip', 'addr', 'add', '169.254.169.254/32', 'dev', 'eth0')
  inside(path, 'ip', 'link', 'set', 'eth0', 'up')
  inside(path, 'ip', 'link', 'set', 'lo', 'up')
  run('ip', 'route', 'add', '169.254.169.254/32', 'dev', link, 'src', host)
  return { fd, path, host, there, link }
}

t.test('the outside', async (t) => {
  const world = await outside(t)
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  await serve(t, world.fd, '0.0.0.0', 8080)

  t.test('is reached, from the host’s address', async (t) => {
    t.equal(await askWhoIAm(box.fd, world.there, 8080), world.host)
  })

  t.test('is reached by two networks of one subnet', async (t) => {
    const same = { subnet: '10.197.0.0/24' }
    const boxes = [
      await (await ownNetwork(t, same)).createSandbox(),
      await (await ownNetwork(t, same)).createSandbox(),
    ]
    const seen = await Promise.all(boxes.map(({ fd }) => askWhoIAm(fd, world.there, 8080)))
    t.same(seen, [world.host, world.host])
  })

  t.test('but not the metadata address', async (t) => {
    t.equal(await text(net.connect(8080, '169.254.169.254')), world.host, 'the host reaches it')
    t.equal(await dial(box.fd, '169.254.169.254', 8080), 'ECONNREFUSED')
    t.equal(await dial(box.fd, '169.254.1.1', 8080), 'ECONNREFUSED')
  })

  t.test('does not reach a sandbox through the host', async (t) => {
    await serve(t, box.fd, box.address, 80)
    inside(world.path, 'ip', 'route', 'add', network.subnet, 'via', world.host)
    t.equal(await dial(world.fd, box.address, 80), 'ECONNREFUSED')
    t.equal(await text(net.connect(80, box.address)).then((from) => from.startsWith('169.254.')), true)
  })

  t.test('nor does a sandbox reach the host, by any address of it', async (t) => {
    const server = net.createServer((client) => client.end())
    server.listen(0, '0.0.0.0')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { port } = server.address() as net.AddressInfo
    t.equal(await dial(world.fd, world.host, port), 'open', 'a neighbour does')
    const uplink = /via (\S+)/.exec(
      inside(network.namespace, 'ip', 'route', 'show', 'default'),
    )?.[1] as string
    const own = /src (\S+)/.exec(run('ip', 'route', 'get', '192.0.2.1'))?.[1] as string
    for (const address of [world.host, uplink, own]) {
      t.equal(await dial(box.fd, address, port), 'ECONNREFUSED', address)
    }
  })
})

t.test('what a sandbox sends as somebody else is dropped', async (t) => {
  const network = await ownNetwork(t)
  const [server, client] = await pair(network)
  await serve(t, server.fd, server.address, 80)
  const udp = network.bindUdp(network.gateway, 53)
  t.teardown(() => udp.close())
  const heard: string[] = []
  udp.on('message', (message, { address }) => heard.push(`${message} from ${address}`))

  const forged = network.gateway.replace(/1$/, '77')
  const send = `
import socket, sys
word, source, gateway = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0))
s.sendto(word.encode(), (gateway, 53))`
  const say = (word: string, source: string) =>
    inside(client.namespace, '/usr/bin/python3', '-c', send, word, source, network.gateway)

  inside(client.namespace, 'ip', 'addr', 'add', `${forged}/32`, 'dev', 'eth0')
  inside(client.namespace, 'ip', 'addr', 'add', `${server.address}/32`, 'dev', 'eth0')
  say('unleased', forged)
  say('stolen', server.address)
  say('honest', client.address)
  await once(udp, 'message')
  inside(client.namespace, 'ip', 'addr', 'del', `${server.address}/32`, 'dev', 'eth0')
  t.equal(await dial(client.fd, server.address, 80), 'open')

  inside(client.namespace, 'ip', 'link', 'set', 'eth0', 'address', server.mac)
  inside(
    client.namespace,
    'ip',
    'neigh',
    'replace',
    network.gateway,
    'lladdr',
    gatewayMac(network),
    'dev',
    'eth0',
  )
  inside(client.namespace, 'ip', 'route', 'replace', 'default', 'via', network.gateway, 'dev', 'eth0')
  say('masked', client.address)
  inside(client.namespace, 'ip', 'link', 'set', 'eth0', 'address', client.mac)
  say('honest again', client.address)
  await once(udp, 'message')
  t.same(heard, [`honest from ${client.address}`, `honest again from ${client.address}`])
})

const gatewayMac = (network: Network) =>
  /ether (\S+)/.exec(inside(network.namespace, 'ip', 'link', 'show', 'br0'))?.[1] as string

t.test('two sandboxes cannot go behind the firewall, nor poison one another', async (t) => {
  const network = await ownNetwork(t)
  const [server, client] = await pair(network)
  // Everything that is needed to talk without the gateway, if the bridge let them.
  inside(client.namespace, 'ip', 'route', 'add', `${server.address}/32`, 'dev', 'eth0')
  inside(client.namespace, 'ip', 'neigh', 'replace', server.address, 'lladdr', server.mac, 'dev', 'eth0')
  await serve(t, server.fd, server.address, 80)
  t.equal(await dial(client.fd, server.address, 80), 'TIMEOUT')
  inside(client.namespace, 'ip', 'route', 'del', `${server.address}/32`, 'dev', 'eth0')
  t.equal(await dial(client.fd, server.address, 80), 'open')
})

t.test('a refusal is as quick the thirtieth time', async (t) => {
  const network = await ownNetwork(t)
  const client = await network.createSandbox()
  for (let tries = 0; tries < 30; tries++) {
    if ((await dial(client.fd, network.gateway, 80)) !== 'ECONNREFUSED') t.fail(`not refused at try ${tries}`)
  }
  t.pass()
})

t.test('ping needs no capability', async (t) => {
  const network = await ownNetwork(t)
  const client = await network.createSandbox()
  // An ICMP socket of the unprivileged kind; iputils may not be installed.
  const script = `
import socket, struct, sys, os
os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.settimeout(2)
s.sendto(struct.pack('!BBHHH', 8, 0, 0, 0, 1), (sys.argv[1], 0))
print(s.recvfrom(64)[1][0])`
  const reply = inside(client.namespace, '/usr/bin/python3', '-c', script, network.gateway)
  t.equal(reply.trim(), network.gateway)
})
