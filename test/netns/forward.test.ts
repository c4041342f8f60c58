/** Ports between the host and a network: what is copied must be as if nobody copied it. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { openFiles, ownNetwork, until } from './support.ts'

t.setTimeout(120_000)

const echo = (client: net.Socket) => client.on('error', () => {}).pipe(client)

/** Sends one datagram, and resolves with what comes back. */
async function ask(to: { address: string; port: number }, word: string, socket = dgram.createSocket('udp4')) {
  const answered = once(socket, 'message')
  socket.send(word, to.port, to.address)
  const [message] = await answered
  return { answer: String(message), socket }
}

t.test('a port of the host leads to a sandbox', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80)
  t.teardown(() => server.close())
  server.on('connection', (client) => client.on('error', () => {}).end(String(client.remoteAddress)))

  const forward = await network.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } })
  t.match(forward, { protocol: 'tcp', address: '127.0.0.1' })
  t.ok(forward.port > 0, 'the port that was found is told')
  t.equal(await text(net.connect(forward.port, '127.0.0.1')), network.gateway)

  await t.rejects(network.forward({ host: { port: forward.port }, to: { address: box.address, port: 80 } }), {
    code: 'KERNEL',
    errno: 'EADDRINUSE',
    message: `bind to 127.0.0.1:${forward.port}: EADDRINUSE (address already in use)`,
  })
  await forward.close()
  const [error] = await once(net.connect(forward.port, '127.0.0.1'), 'error')
  t.equal(error.code, 'ECONNREFUSED', 'closed, nobody listens there')
})

t.test('a UDP client that never is silent follows the target to another address (N01)', async (t) => {
  const network = await ownNetwork(t)
  const answering = async (word: string) => {
    const box = await network.createSandbox()
    const udp = box.bindUdp(514)
    udp.on('message', (_, from) => udp.send(word, from.port, from.address))
    t.teardown(() => udp.close())
    return { address: box.address, port: 514 }
  }
  const [first, second] = [await answering('first'), await answering('second')]
  let target: typeof first | undefined = first
  const forward = await network.forward({ host: { port: 0 }, to: () => target, protocol: 'udp' })
  const { answer, socket } = await ask(forward, 'x')
  t.teardown(() => socket.close())
  t.equal(answer, 'first')
  target = undefined
  socket.send('x', forward.port, forward.address)
  await until('the client of the old target is forgotten', () => forward.connections === 0)
  target = second
  t.equal((await ask(forward, 'x', socket)).answer, 'second')
  target = first
  t.equal((await ask(forward, 'x', socket)).answer, 'first', 'at once, too')
  t.equal(forward.connections, 1)
})

t.test('many connections at once, each with its own bytes', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80, '0.0.0.0')
  t.teardown(() => server.close())
  server.on('connection', (client) => client.pipe(client))
  const forward = await network.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } })
  const same = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const sent = `${index} `.repeat(20_000)
      const client = net.connect(forward.port, '127.0.0.1')
      client.end(sent)
      return (await text(client)) === sent
    }),
  )
  t.same(new Set(same), new Set([true]))
  await until('all are gone', () => forward.connections === 0)
})

t.test('one who has sent all may still read, in both directions', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80)
  t.teardown(() => server.close())
  server.on('connection', async (client) => {
    // Else Node ends a server's connection when its client does.
    client.allowHalfOpen = true
    client.write('hello')
    // Answers only when its client has ended, and then at length.
    const heard = await buffer(client)
    client.end(`heard ${heard.length}`)
  })
  const forward = await network.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } })
  const client = net.connect({ port: forward.port, host: '127.0.0.1', allowHalfOpen: true })
  client.end('x'.repeat(100_000))
  t.equal(await text(client), 'helloheard 100000')
})

t.test('a slow reader slows the writer, and nothing piles up between', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80)
  t.teardown(() => server.close())
  let written = 0
  server.on('connection', async (client) => {
    client.on('error', () => {})
    const block = Buffer.alloc(64 * 1024)
    while (!client.destroyed && written < 200 * 1024 * 1024) {
      written += block.length
      if (!client.write(block)) await once(client, 'drain').catch(() => {})
    }
    client.destroy()
  })
  const forward = await network.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } })
  const reader = net.connect({
    port: forward.port,
    host: '127.0.0.1',
    onread: undefined,
  } as net.NetConnectOpts)
  reader.pause()
  await once(reader, 'connect')
  let before = -1
  let halted = 0
  await until('the writer has come to a halt', () => {
    const still = written === before && written > 0
    before = written
    halted = still ? halted + 1 : 0
    return halted > 200
  })
  t.ok(written < 64 * 1024 * 1024, `it was held up after ${written} bytes, which the kernel's buffers hold`)
  reader.destroy()
})

t.test('a reset is passed on, both ways; so is a port where nobody listens', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80)
  t.teardown(() => server.close())
  const forward = await network.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } })

  const arrived = once(server, 'connection')
  const client = net.connect(forward.port, '127.0.0.1')
  client.write('x')
  const [served] = await arrived
  const cut = once(served, 'error')
  await once(served, 'data')
  client.resetAndDestroy()
  t.equal((await cut)[0].code, 'ECONNRESET', 'by the client')

  server.once('connection', (one) => one.once('data', () => one.resetAndDestroy()))
  const second = net.connect(forward.port, '127.0.0.1')
  second.write('x')
  t.equal((await once(second, 'error'))[0].code, 'ECONNRESET', 'by the server')

  const nowhere = await network.forward({ host: { port: 0 }, to: { address: box.address, port: 81 } })
  const third = net.connect(nowhere.port, '127.0.0.1')
  t.equal((await once(third, 'error'))[0].code, 'ECONNRESET')
})

t.test('where it leads is asked for each connection', async (t) => {
  const network = await ownNetwork(t)
  let address: string | undefined
  const forward = await network.forward({
    host: { port: 0 },
    to: () => (address === undefined ? undefined : { address, port: 80 }),
  })
  const first = net.connect(forward.port, '127.0.0.1')
  t.equal((await once(first, 'error'))[0].code, 'ECONNRESET', 'nowhere')
  for (const name of ['one', 'two']) {
    const box = await network.createSandbox()
    const server = await box.listenTcp(80)
    t.teardown(() => server.close())
    server.on('connection', (client) => client.on('error', () => {}).end(name))
    address = box.address
    t.equal(await text(net.connect(forward.port, '127.0.0.1')), name)
  }
})

t.test('above its limit connections are reset; below it there is room again', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80)
  t.teardown(() => server.close())
  server.on('connection', echo)
  const forward = await network.forward({
    host: { port: 0 },
    to: { address: box.address, port: 80 },
    limit: 2,
  })
  const open = []
  for (let count = 0; count < 2; count++) {
    const client = net.connect(forward.port, '127.0.0.1')
    client.write('x')
    await once(client, 'data')
    open.push(client)
  }
  const third = net.connect(forward.port, '127.0.0.1')
  t.equal((await once(third, 'error'))[0].code, 'ECONNRESET')
  for (const client of open) client.destroy()
  await until('there is room', () => forward.connections === 0)
  const again = net.connect(forward.port, '127.0.0.1')
  again.end('x')
  t.equal(await text(again), 'x')
})

t.test('datagrams find their way, and their answers back to who asked', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = box.bindUdp(53)
  t.teardown(() => server.close())
  const seen = new Set<string>()
  server.on('message', (message, { address, port }) => {
    seen.add(`${address} ${port}`)
    server.send(`${message}!`, port, address)
  })
  const forward = await network.forward({
    host: { port: 0 },
    to: { address: box.address, port: 53 },
    protocol: 'udp',
  })
  t.match(forward, { protocol: 'udp', address: '127.0.0.1' })
  const clients = await Promise.all(['a', 'b', 'c'].map((word) => ask(forward, word)))
  t.same(
    clients.map(({ answer }) => answer),
    ['a!', 'b!', 'c!'],
  )
  const [first] = clients
  t.equal((await ask(forward, 'again', first?.socket)).answer, 'again!')
  t.equal(seen.size, 3, 'each client has a port of its own')
  t.equal(forward.connections, 3)
  for (const { socket } of clients) socket.close()
})

t.test('a client that is silent is forgotten; with too many, the one that is silent longest', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = box.bindUdp(53)
  t.teardown(() => server.close())
  const ports: number[] = []
  server.on('message', (message, { address, port }) => {
    ports.push(port)
    server.send(message, port, address)
  })
  const waiting = new Map<object, { run: () => void; milliseconds: number }>()
  const timers = {
    set(run: () => void, milliseconds: number) {
      const timer = {}
      waiting.set(timer, { run, milliseconds })
      return timer
    },
    clear: (timer: unknown) => void waiting.delete(timer as object),
  }
  const forward = await network.forward({
    host: { port: 0 },
    to: { address: box.address, port: 53 },
    protocol: 'udp',
    limit: 2,
    idleTimeout: 7_000,
    timers,
  })
  const one = await ask(forward, 'one')
  const two = await ask(forward, 'two')
  await ask(forward, 'one', one.socket)
  const three = await ask(forward, 'three')
  t.equal(forward.connections, 2)
  await ask(forward, 'one', one.socket)
  t.equal(ports[0], ports.at(-1), 'the first was not the one that had to go')
  await ask(forward, 'two', two.socket)
  t.not(ports[1], ports.at(-1), 'the second was: it has another port now')

  t.same(
    [...waiting.values()].map(({ milliseconds }) => milliseconds),
    [7_000, 7_000],
  )
  for (const { run } of [...waiting.values()]) run()
  t.equal(forward.connections, 0)
  t.equal(waiting.size, 0)
  for (const { socket } of [one, two, three]) socket.close()
})

t.test('nobody else may answer a client', async (t) => {
  const network = await ownNetwork(t)
  const [box, stranger] = [await network.createSandbox(), await network.createSandbox()]
  const server = box.bindUdp(53)
  const forger = stranger.bindUdp(53)
  t.teardown(() => server.close())
  t.teardown(() => forger.close())
  server.on('message', async (_, { address, port }) => {
    forger.send('forged', port, address, () => server.send('true', port, address))
  })
  const forward = await network.forward({
    host: { port: 0 },
    to: { address: box.address, port: 53 },
    protocol: 'udp',
  })
  const { answer, socket } = await ask(forward, 'who')
  t.equal(answer, 'true')
  socket.close()
})

t.test('a port of a sandbox leads to the host, for those who may', async (t) => {
  const network = await ownNetwork(t)
  const [door, friend, stranger] = [
    await network.createSandbox(),
    await network.createSandbox(),
    await network.createSandbox(),
  ]
  const server = net.createServer(echo)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as net.AddressInfo
  const admits = (client: string) => client === friend.address
  const forward = await door.forward({ port: 5432, to: { port }, admits })
  t.match(forward, { address: door.address, port: 5432, protocol: 'tcp' })

  const client = await friend.connectTcp(door.address, 5432)
  client.end('hello')
  t.equal(await text(client), 'hello')
  await t.rejects(friend.connectTcp(door.address, 5433), { code: 'ECONNREFUSED' }, 'that port only')
  await t.rejects(
    // The reset may come before Node has seen that it was connected.
    stranger.connectTcp(door.address, 5432).then((refused) => once(refused, 'close')),
    { code: 'ECONNRESET' },
  )

  const udp = dgram.createSocket('udp4')
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  t.teardown(() => udp.close())
  const heard: string[] = []
  udp.on('message', (message, from) => {
    heard.push(String(message))
    udp.send(`${message}!`, from.port, from.address)
  })
  const datagrams = await door.forward({
    port: 53,
    to: { port: udp.address().port },
    protocol: 'udp',
    admits,
  })
  const outsider = stranger.bindUdp(0)
  const insider = friend.bindUdp(0)
  outsider.send('outsider', datagrams.port, datagrams.address)
  t.equal((await ask(datagrams, 'insider', insider)).answer, 'insider!')
  t.same(heard, ['insider'])
  outsider.close()
  insider.close()

  await door.destroy()
  await forward.closed
  await t.rejects(
    friend.connectTcp(door.address, 5432),
    { code: 'ECONNREFUSED' },
    'and ends with the sandbox',
  )
})

t.test('forwards end with their network, and leave nothing', async (t) => {
  const before = openFiles()
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const server = await box.listenTcp(80)
  server.on('connection', (client) => client.on('error', () => {}).resume())
  const forward = await network.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } })
  await network.forward({ host: { port: 0 }, to: { address: box.address, port: 53 }, protocol: 'udp' })
  const client = net.connect(forward.port, '127.0.0.1')
  const arrived = once(server, 'connection')
  await arrived
  const cut = once(client, 'error')
  server.close()
  await network.destroy()
  t.equal((await cut)[0].code, 'ECONNRESET')
  await forward.closed
  await t.rejects(network.forward({ host: { port: 0 }, to: { address: box.address, port: 80 } }), {
    code: 'NETWORK_GONE',
  })
  for (let turns = 0; turns < 1000 && openFiles() > before; turns++) await turn()
  t.ok(openFiles() <= before, 'no descriptor')
})
