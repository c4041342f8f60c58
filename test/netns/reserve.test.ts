/** Ports of the host that are shut until somebody opens them. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createNetwork } from '../../netns/index.ts'
import { openFiles, ownNetwork, ownPlace } from './support.ts'

t.setTimeout(60_000)

const closed = (connection: net.Socket) => new Promise((resolve) => connection.once('close', resolve))

const dial = async (port: number, host: string) => {
  const connection = net.connect(port, host)
  try {
    return await text(connection)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

/** Sends a datagram from a socket that hears of refusals, and awaits its answer. */
async function ask(port: number, host: string): Promise<string> {
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4')
  try {
    socket.connect(port, host)
    await once(socket, 'connect')
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(2000) })
    socket.send('x')
    return String((await answer)[0])
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code ?? String(error)
  } finally {
    socket.close()
  }
}

for (const [address, client] of [
  ['127.0.0.1', '127.0.0.1'],
  ['0.0.0.0', '127.0.0.1'],
  ['::1', '::1'],
  ['::', '::1'],
] as const) {
  t.test(
    `a reserved port at ${address} refuses until it is opened, and while it is shut (N15)`,
    async (t) => {
      const network = await ownNetwork(t)
      const box = await network.createSandbox()
      const server = await box.listenTcp(80)
      t.teardown(() => server.close())
      server.on('connection', (connection) => connection.on('error', () => {}).end('hello'))
      const udp = box.bindUdp(80)
      t.teardown(() => udp.close())
      udp.on('message', (_, from) => udp.send('hello', from.port, from.address))
      const to = { address: box.address, port: 80 }
      const before = openFiles()
      const tcp = await network.reserve({ host: { address, port: 0 }, to })
      const datagrams = await network.reserve({ host: { address, port: 0 }, to, protocol: 'udp' })
      t.match(
        [tcp, datagrams],
        [
          { protocol: 'tcp', address },
          { protocol: 'udp', address },
        ],
      )
      const both = async () => [await dial(tcp.port, client), await ask(datagrams.port, client)]

      t.same(await both(), ['ECONNREFUSED', 'ECONNREFUSED'])
      for (let times = 1; times <= 3; times++) {
        await Promise.all([tcp.open(), tcp.open(), datagrams.open(), datagrams.open()])
        t.same(await both(), ['hello', 'hello'])
        await Promise.all([tcp.shut(), tcp.shut(), datagrams.shut(), datagrams.shut()])
        t.same(await both(), ['ECONNREFUSED', 'ECONNREFUSED'])
      }
      await Promise.all([tcp.open(), datagrams.open(), tcp.close(), datagrams.close()])
      t.same(await both(), ['ECONNREFUSED', 'ECONNREFUSED'], 'closed')
      t.equal(openFiles(), before, 'no descriptor is left')
    },
  )
}

t.test('nobody else gets a reserved port, open or shut, and it is free afterwards (N15)', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80)
  t.teardown(() => server.close())
  server.on('connection', (connection) => connection.on('error', () => {}).end('hello'))
  const to = { address: box.address, port: 80 }
  const first = await network.reserve({ host: { port: 0 }, to })
  const host = { port: first.port }
  const inUse = { code: 'KERNEL', errno: 'EADDRINUSE' }
  const taken = { code: 'KERNEL', errno: 'EADDRINUSE', message: new RegExp(`127\\.0\\.0\\.1:${host.port}`) }
  for (const step of [undefined, first.open, first.shut]) {
    await step?.()
    await t.rejects(network.reserve({ host, to }), taken)
    await t.rejects(network.forward({ host, to }), taken)
    await t.rejects(network.reserve({ host: { ...host, address: '0.0.0.0' }, to }), inUse)
  }
  // A connection that this end closes first leaves the port in TIME_WAIT.
  await first.open()
  t.equal(await dial(first.port, '127.0.0.1'), 'hello')
  await first.close()
  const again = await network.reserve({ host, to })
  t.equal(again.port, first.port)
  await again.close()
  const plain = net.createServer().listen(0, '127.0.0.1')
  await once(plain, 'listening')
  t.teardown(() => plain.close())
  const { port } = plain.address() as net.AddressInfo
  await t.rejects(network.reserve({ host: { port }, to }), inUse)
})

t.test('a connection that is there when the port is shut goes on', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80)
  t.teardown(() => server.close())
  server.on('connection', (connection) => connection.on('error', () => {}).pipe(connection))
  const forward = await network.reserve({ host: { port: 0 }, to: { address: box.address, port: 80 } })
  await forward.open()
  const client = net.connect(forward.port, '127.0.0.1').on('error', () => {})
  client.write('a')
  await once(client, 'data')
  await forward.shut()
  client.write('b')
  t.equal(String((await once(client, 'data'))[0]), 'b')
  t.equal(forward.connections, 1)
  await forward.open()
  await forward.close()
  await closed(client)
})

t.test('it ends with its network', async (t) => {
  const network = await createNetwork({ name: 'test', poolSize: 0, ...ownPlace(t) })
  const forward = await network.reserve({ host: { port: 0 }, to: { address: network.gateway, port: 80 } })
  await network.destroy()
  await forward.closed
  t.equal(await dial(forward.port, '127.0.0.1'), 'ECONNREFUSED')
  await forward.open()
  t.equal(await dial(forward.port, '127.0.0.1'), 'ECONNREFUSED')
})
