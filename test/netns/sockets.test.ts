import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { inside, openFiles, ownNetwork, run } from './support.ts'

t.test('a UDP socket is bound when it is there, and answers', async (t) => {
  const network = await ownNetwork(t)
  const udp = network.bindUdp(network.gateway, 53)
  t.teardown(() => udp.close())
  t.match(udp.address(), { address: network.gateway, port: 53 })
  t.match(inside(network.namespace, 'ss', '-Huln'), `${network.gateway}:53`)
  t.notMatch(run('ss', '-Huln'), `${network.gateway}:53`, 'not in the host’s namespace')

  const box = await network.createSandbox()
  udp.on('message', (message, { port, address }) => udp.send(`${message}?`, port, address))
  const script = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
s.sendto(b'who', (sys.argv[1], 53)); print(s.recv(99).decode())`
  const child = box.spawn('/usr/bin/python3', ['-c', script, network.gateway], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.equal(await text(child.stdout as NonNullable<typeof child.stdout>), 'who?\n')
})

t.test('two networks can have the same address and port, served by one process', async (t) => {
  const same = { subnet: '10.198.0.0/24' }
  for (const answer of ['one', 'two']) {
    const network = await ownNetwork(t, same)
    const server = await network.listenTcp('10.198.0.1', 53)
    t.teardown(() => server.close())
    server.on('connection', (client) => client.end(answer))
    t.equal(await text(await network.connectTcp('10.198.0.1', 53)), answer)
  }
})

t.test('a TCP server listens when it is there', async (t) => {
  const network = await ownNetwork(t)
  const server = await network.listenTcp(network.gateway, 53)
  t.match(server.address(), { address: network.gateway, port: 53 })
  t.match(inside(network.namespace, 'ss', '-Htln'), `${network.gateway}:53`)
  t.notMatch(run('ss', '-Htln'), `${network.gateway}:53`)
  const connection = await network.connectTcp(network.gateway, 53)
  connection.destroy()
  server.close()
  await once(server, 'close')
  const again = await network.listenTcp(network.gateway, 53)
  t.teardown(() => again.close())
  t.ok(again.listening, 'the port is free at once')
})

t.test('both ways of a connection work, and its end is seen', async (t) => {
  const network = await ownNetwork(t)
  const server = await network.listenTcp(network.gateway, 53)
  t.teardown(() => server.close())
  server.on('connection', (client) => client.pipe(client))
  const connection = await network.connectTcp(network.gateway, 53)
  const sent = 'x'.repeat(1_000_000)
  connection.end(sent)
  t.equal(await text(connection), sent)
})

t.test('what cannot be bound is an error, and leaves no descriptor', async (t) => {
  const network = await ownNetwork(t)
  const udp = network.bindUdp(network.gateway, 53)
  t.teardown(() => udp.close())
  const before = openFiles()
  t.throws(() => network.bindUdp(network.gateway, 53), {
    code: 'KERNEL',
    errno: 'EADDRINUSE',
    message: `bind to ${network.gateway}:53: EADDRINUSE (address already in use)`,
  })
  await t.rejects(network.listenTcp('203.0.113.9', 53), { code: 'KERNEL', errno: 'EADDRNOTAVAIL' })
  t.throws(() => network.bindUdp('gateway', 53), { code: 'KERNEL', errno: 'EINVAL' })
  t.equal(openFiles(), before)
})

t.test('a connection fails with Node’s own codes, in time, or when told to', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  await t.rejects(network.connectTcp(box.address, 80), { code: 'ECONNREFUSED' })
  inside(
    network.namespace,
    'ip',
    'neigh',
    'replace',
    box.address,
    'lladdr',
    '02:00:00:00:00:99',
    'dev',
    'br0',
  )
  await t.rejects(network.connectTcp(box.address, 80, { timeout: 50 }), {
    code: 'TIMEOUT',
    message: `${box.address}:80 did not accept within 50 ms`,
  })
  const patience = new AbortController()
  const told = t.rejects(network.connectTcp(box.address, 80, { signal: patience.signal }), {
    message: 'enough',
  })
  patience.abort(new Error('enough'))
  await told
  const abort = AbortSignal.abort(new Error('too late'))
  await t.rejects(network.connectTcp(box.address, 80, { signal: abort }), { message: 'too late' })
})

t.test('IPv6 addresses will do, and do not take the IPv4 port of the same number', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const six = await box.listenTcp(80, '::')
  const four = await box.listenTcp(80, '0.0.0.0')
  t.teardown(() => [six, four].map((server) => server.close()))
  six.on('connection', (client) => client.end('six'))
  four.on('connection', (client) => client.end('four'))
  t.equal(await text(await box.connectTcp('::1', 80)), 'six')
  t.equal(await text(await box.connectTcp('127.0.0.1', 80)), 'four')
  t.match(inside(box.namespace, 'ss', '-H6tln'), '[::]:80')

  const udp = box.bindUdp(53, '::1')
  t.teardown(() => udp.close())
  t.match(udp.address(), { address: '::1', port: 53, family: 'IPv6' })
  await t.rejects(box.listenTcp(80, '::'), {
    code: 'KERNEL',
    errno: 'EADDRINUSE',
    message: /^bind to \[::\]:80: /,
  })
  await t.rejects(box.connectTcp('fe80::1%eth0', 80), { code: 'KERNEL', errno: 'EINVAL' })
})
