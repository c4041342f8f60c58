import { spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import {
  type BatchedUdp,
  type BatchedUdpOptions,
  bindBatchedUdp,
  type PacketHandler,
} from '../../netns/index.ts'
import { createNamespace, inNamespace } from '../../netns/kernel/index.ts'
import { openFiles, ownNetwork, run, until } from './support.ts'

interface Test {
  teardown(fn: () => unknown): unknown
}

/** A socket that answers by `packet`, and what failed on it. */
function serving(
  t: Test,
  packet: PacketHandler['packet'],
  options: BatchedUdpOptions = {},
  address = '127.0.0.1',
) {
  const socket = bindBatchedUdp(address, 0, options)
  t.teardown(() => socket.close())
  const errors: Error[] = []
  const start = () => socket.receive({ packet, failed: (error) => void errors.push(error) })
  return { socket, errors, start }
}

/** Says `said` to whoever asks, behind what they asked. */
const echo =
  (said: string): PacketHandler['packet'] =>
  (packet, size) =>
    size + packet.write(said, size)

/** A client that keeps what it gets. */
async function client(t: Test, { address, port }: BatchedUdp, to = address) {
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
  let open = true
  const close = () => {
    if (open) socket.close()
    open = false
  }
  t.teardown(close)
  socket.connect(port, to)
  await once(socket, 'connect')
  const got: string[] = []
  socket.on('message', (message) => void got.push(String(message)))
  // The other end may have gone.
  socket.on('error', () => {})
  return { socket, got, close, say: (...words: (string | Buffer)[]) => sendAll(socket, words) }
}

function sendAll(socket: Socket, words: readonly (string | Buffer)[]): Promise<unknown> {
  return Promise.all(words.map((word) => new Promise((resolve) => void socket.send(word, resolve))))
}

const numbers = (count: number, mark = '') => Array.from({ length: count }, (_, index) => `${mark}${index}`)
const sorted = (words: readonly string[]) => [...words].sort()

for (const [address, octets] of [
  ['127.0.0.1', [127, 0, 0, 1]],
  ['::1', [...Array<number>(15).fill(0), 1]],
] as const) {
  t.test(`${address}: bursts larger than a batch are answered, each to whom it came from`, async (t) => {
    const seen: [string, number][] = []
    const answer = echo('!')
    const { socket, errors, start } = serving(
      t,
      (packet, size, source) => {
        seen.push([[...source.octets].join(), source.port])
        return answer(packet, size, source)
      },
      {},
      address,
    )
    const clients = await Promise.all(
      ['a', 'b', 'c'].map(async (mark) => ({ mark, ...(await client(t, socket)) })),
    )
    // All are there before the first is received.
    await Promise.all(clients.map(({ mark, say }) => say(...numbers(150, mark))))
    start()
    for (const { mark, got } of clients) {
      await until('all are answered', () => got.length === 150)
      t.same(sorted(got), sorted(numbers(150, mark).map((word) => `${word}!`)))
    }
    t.same(
      new Set(seen.map(([from, port]) => `${from} ${port}`)),
      new Set(clients.map(({ socket: own }) => `${octets.join()} ${own.address().port}`)),
    )
    t.match(socket.counters, { received: 450, sent: 450, waits: 0, refused: 0 })
    t.ok(socket.counters.batches >= 8 && socket.counters.batches < 100, `${socket.counters.batches} batches`)
    t.same(errors, [])
  })
}

t.test('some are answered at once, some later, some never', async (t) => {
  const laters: (() => void)[] = []
  const { socket, start } = serving(t, (packet, size, source) => {
    const number = Number(packet.toString('latin1', 0, size))
    if (number % 3 === 0) return size + packet.write(' now', size)
    if (number % 3 === 1) {
      const send = source.later()
      laters.push(() => send(Buffer.from(`${number} later, and no more`), `${number} later`.length))
    }
    return 0
  })
  const { got, say } = await client(t, socket)
  await say(...numbers(300))
  start()
  await until('all that are answered at once are', () => got.length === 100)
  t.same(
    sorted(got),
    sorted(
      numbers(300)
        .filter((_, index) => index % 3 === 0)
        .map((word) => `${word} now`),
    ),
  )
  got.length = 0
  for (const send of laters) send()
  await until('the others are too', () => got.length === 100)
  t.same(
    sorted(got),
    sorted(
      numbers(300)
        .filter((_, index) => index % 3 === 1)
        .map((word) => `${word} later`),
    ),
  )
  socket.close()
  laters[0]?.()
  t.equal(socket.counters.sent, 200, 'a closed socket sends nothing')
})

t.test('what a handler begins goes on, and what it throws is told of', async (t) => {
  const went: string[] = []
  const { socket, errors, start } = serving(t, (packet, size, source) => {
    if (packet.toString('latin1', 0, size) === 'throw') throw new RangeError('no')
    const send = source.later()
    // Nothing else happens in this process that would make promises go on.
    void Promise.resolve('promised').then((word) => send(Buffer.from(word), word.length))
    process.nextTick(() => went.push('tick'))
    return 0
  })
  const { got, say } = await client(t, socket)
  start()
  await say('throw', 'answer')
  await until('it is answered', () => got.length === 1)
  t.same(got, ['promised'])
  t.same(went, ['tick'])
  t.match(errors, [{ name: 'RangeError', message: 'no' }])
})

t.test('on a wildcard, answers come from the address that was asked', async (t) => {
  for (const [wildcard, ...addresses] of [
    ['0.0.0.0', '127.0.0.1', '127.0.0.2', '127.9.9.9'],
    ['::', '::1'],
  ] as [string, ...string[]][]) {
    const laters: (() => void)[] = []
    const { socket, errors, start } = serving(
      t,
      (packet, size, source) => {
        const send = source.later()
        laters.push(() => send(Buffer.from('later'), 5))
        return size + packet.write('!', size)
      },
      {},
      wildcard,
    )
    start()
    for (const address of addresses) {
      // A connected socket takes no answer from elsewhere.
      const { got, say } = await client(t, socket, address)
      await say('a')
      await until(`${address} answers`, () => got.length === 1)
      laters.pop()?.()
      await until(`${address} answers later`, () => got.length === 2)
      t.same(got, ['a!', 'later'])
      await say(...numbers(200))
      await until('a burst too', () => got.length === 202)
    }
    t.same(errors, [])
  }
})

t.test('two namespaces with the same address and port do not meet', async (t) => {
  const script = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
for i in range(100): s.sendto(b'%d' % i, (sys.argv[1], 53))
print(sorted({s.recv(99).decode().split(' ')[1] for i in range(100)}))`
  const answered: Promise<string>[] = []
  for (const name of ['one', 'two']) {
    const network = await ownNetwork(t, { subnet: '10.197.0.0/24' })
    const socket = network.bindBatchedUdp(network.gateway, 53)
    t.teardown(() => socket.close())
    socket.receive({ packet: echo(` ${name}`), failed: t.fail })
    const box = await network.createSandbox()
    const child = box.spawn('/usr/bin/python3', ['-c', script, '10.197.0.1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    answered.push(text(child.stdout as NonNullable<typeof child.stdout>))
  }
  t.same(await Promise.all(answered), ["['one']\n", "['two']\n"])
})

t.test('closed in the middle of a burst', async (t) => {
  const before = openFiles()
  let calls = 0
  const { socket, errors, start } = serving(t, (_packet, size) => {
    if (++calls === 100) socket.close()
    return size
  })
  const { got, say, close } = await client(t, socket)
  await say(...numbers(400))
  start()
  await until('it was closed', () => calls === 100)
  const again = bindBatchedUdp('127.0.0.1', socket.port)
  t.equal(again.port, socket.port, 'its port is free at once')
  again.close()
  again.close()
  for (let turns = 0; turns < 10; turns++) await turn()
  t.equal(calls, 100, 'no call comes after')
  t.ok(got.length <= 64, 'the rest of its batch is not sent')
  t.same(errors, [])
  close()
  await turn()
  t.equal(openFiles(), before)
  t.throws(() => socket.receive({ packet: () => 0, failed: () => {} }), {
    name: 'NetnsError',
    message: /is closed/,
  })
})

t.test('a client that has gone costs the others nothing', async (t) => {
  const { socket, errors, start } = serving(t, echo('!'))
  const gone = await client(t, socket)
  const { got, say } = await client(t, socket)
  await gone.say(...numbers(50))
  gone.close()
  await say(...numbers(200))
  start()
  await until('the others are answered', () => got.length === 200)
  // The kernel has been told by now that nobody is at that port.
  await say('x')
  await until('and go on being', () => got.length === 201)
  t.same(errors, [])
})

/** A namespace of a test's own, with loopback. */
function ownNamespace(t: Test): number {
  const { fd } = createNamespace(() => run('ip', 'link', 'set', 'lo', 'up'))
  t.teardown(() => closeSync(fd))
  return fd
}

/** A client in Python, in a namespace: asks `count` times from each of two ports, and says how many answers each got. */
const asker = `
import select, socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
for sock, own in zip(socks, (5001, 5002)):
  sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
  sock.bind(('127.0.0.1', own))
for i in range(count):
  for sock in socks: sock.sendto(b'%d' % i, ('127.0.0.1', port))
print('sent', flush=True)
got = [0, 0]
for at, sock in reversed(list(enumerate(socks))):
  wanted = int(sys.argv[3 + at])
  sock.settimeout(10)
  while got[at] < wanted:
    sock.recv(9999); got[at] += 1
print(*got)`

async function askInside(namespace: number, start: () => void, ...args: number[]): Promise<string> {
  const child = inNamespace(namespace, () =>
    spawn('/usr/bin/python3', ['-c', asker, ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] }),
  )
  child.stdout.once('data', start)
  const said = text(child.stdout)
  return (await said).split('\n')[1] ?? ''
}

t.test('answers that a firewall does not let pass are told of, and only those are lost', async (t) => {
  const namespace = ownNamespace(t)
  inNamespace(namespace, () => {
    run('nft', 'add table ip f; add chain ip f out { type filter hook output priority 0; }')
    run('nft', 'add rule ip f out udp dport 5001 drop')
  })
  const { socket, errors, start } = serving(t, echo('!'), { namespace })
  t.equal(await askInside(namespace, start, socket.port, 100, 0, 100), '0 100')
  t.match(socket.counters, { received: 200, sent: 100, refused: 100 })
  t.equal(errors.length, 100)
  t.match(errors[0], { errno: 'EPERM', message: /^send a datagram on 127.0.0.1 port \d+: EPERM/ })
})

t.test('where the kernel’s queue is full, answers wait for it, and none is lost', async (t) => {
  const namespace = ownNamespace(t)
  inNamespace(namespace, () =>
    run('tc', ...'qdisc add dev lo root tbf rate 40mbit burst 32k limit 10m'.split(' ')),
  )
  const { socket, errors, start } = serving(t, () => 1000, { namespace })
  t.equal(await askInside(namespace, start, socket.port, 300, 300, 300), '300 300')
  t.match(socket.counters, { received: 600, sent: 600, refused: 0 })
  t.ok(socket.counters.waits > 0, `${socket.counters.waits} waits`)
  t.same(errors, [])
})

t.test('closed while answers wait for the kernel’s queue', async (t) => {
  const namespace = ownNamespace(t)
  inNamespace(namespace, () =>
    run('tc', ...'qdisc add dev lo root tbf rate 40mbit burst 32k limit 10m'.split(' ')),
  )
  const { socket, errors, start } = serving(t, () => 1000, { namespace })
  const asked = askInside(namespace, start, socket.port, 300, 1, 1)
  await until('answers wait', () => socket.counters.waits > 0)
  socket.close()
  await asked
  t.ok(socket.counters.sent < 600)
  t.same(errors, [])
})

t.test('large datagrams: whole where there is room, cut and known as that where not', async (t) => {
  const sizes: number[][] = []
  const { socket, errors, start } = serving(t, (packet, size, source) => {
    sizes.push([size, packet.length])
    const whole = Buffer.alloc(70_000)
    if (size === 2) source.later()(whole, 70_000)
    if (size === 3) source.later()(whole, 65_507)
    return size
  })
  start()
  const { socket: own, got, say } = await client(t, socket)
  own.setRecvBufferSize(1 << 20)
  for (const [index, octets] of [0, 1, 4224, 4225, 65_507, 2, 3].entries()) {
    await say(Buffer.alloc(octets, 'x'))
    await until('it is received', () => sizes.length === index + 1)
  }
  t.same(
    sizes,
    [0, 1, 4224, 4225, 65_507, 2, 3].map((octets) => [octets, 4224]),
  )
  await until('all are answered', () => got.length === 7)
  t.same(
    got.map(({ length }) => length),
    [1, 4224, 4224, 4224, 2, 65_507, 3],
  )
  t.match(errors, [{ errno: 'EMSGSIZE' }])
  const roomy = serving(t, (_packet, size) => size, { room: 65_507, batch: 4 })
  roomy.start()
  const other = await client(t, roomy.socket)
  other.socket.setRecvBufferSize(1 << 20)
  await other.say(Buffer.alloc(65_507, 'y'))
  await until('it comes back whole', () => other.got.length === 1)
  t.equal(other.got[0], 'y'.repeat(65_507))
})

t.test('its queue in the kernel is as large as asked for, and its descriptor is nobody else’s', async (t) => {
  const { socket } = serving(t, () => 0, { receiveBuffer: 3_000_000 })
  // The kernel says twice of what was asked, for its own bookkeeping.
  t.match(run('ss', '-Hulnm', `sport = :${socket.port}`), 'rb6000000')
  const child = spawn('sleep', ['60'])
  t.teardown(() => child.kill())
  await once(child, 'spawn')
  const holders = run('ss', '-Hulnp', `sport = :${socket.port}`).match(/pid=\d+/g)
  t.same(new Set(holders), new Set([`pid=${process.pid}`]))
})

t.test('what cannot be bound is an error, and leaves no descriptor', async (t) => {
  const { socket } = serving(t, () => 0)
  const before = openFiles()
  t.throws(() => bindBatchedUdp('127.0.0.1', socket.port), {
    code: 'KERNEL',
    errno: 'EADDRINUSE',
    message: `bind to 127.0.0.1:${socket.port}: EADDRINUSE (address already in use)`,
  })
  t.throws(() => bindBatchedUdp('203.0.113.9', 53), { message: /EADDRNOTAVAIL/ })
  for (const [address, port] of [
    ['localhost', 53],
    ['127.0.0.1', 65_536],
  ] as const) {
    t.throws(() => bindBatchedUdp(address, port), {
      message: `${address} port ${port} is not an IP address with a port`,
    })
  }
  t.equal(openFiles(), before)
})

t.test('the garbage collector does not take what the kernel writes to', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const { socket, start } = serving(t, echo('!'))
  start()
  const { got, say } = await client(t, socket)
  for (let round = 1; round <= 20; round++) {
    collect()
    const rubbish = Array.from({ length: 100 }, () => new ArrayBuffer(300_000))
    await say(...numbers(100))
    await until('a round is answered', () => got.length === 100 * round)
    t.equal(rubbish.length, 100)
  }
  t.same(new Set(got), new Set(numbers(100).map((word) => `${word}!`)))
})
