import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import t from 'tap'
import { createDnsServer, type DnsServerOptions } from '../../dns/index.ts'
import { addressOnly } from '../../dns/wire/address.ts'
import { createNamespace, inNamespace } from '../../netns/kernel/index.ts'
import { run } from '../netns/support.ts'
import { udpClient, until } from './clients.ts'
import { answerTo, fakeUpstream } from './fake-upstream.ts'
import { header, question } from './wire.ts'

interface Test {
  teardown(fn: () => unknown): unknown
}

/** A socket of Node's, bound within the call, so that it belongs to the caller's network namespace. */
function bound(): Socket {
  const socket = createSocket({ type: 'udp4', lookup: addressOnly })
  socket.bind({ address: '127.0.0.1', port: 0, exclusive: true })
  return socket
}

/** A hundred hosts, `host-7` at 10.0.0.7, behind a socket of Node's that is handed over. */
async function serving(udp: Socket, options: Partial<DnsServerOptions> = {}) {
  const dns = await createDnsServer({ zones: ['dev.internal'], listen: [{ udp }], ...options })
  const errors: Error[] = []
  dns.on('error', (error) => void errors.push(error))
  dns.update((tx) => {
    for (let host = 0; host < 100; host++) tx.zone('dev.internal').set(`host-${host}`, [`10.0.0.${host}`])
  })
  return { dns, errors, port: udp.address().port, [Symbol.asyncDispose]: () => dns.close() }
}

/** A network namespace with a server, and a client that keeps what it receives; `configure` runs in it. */
async function apart(t: Test, clients = 1) {
  const { fd } = createNamespace(() => run('ip', 'link', 'set', 'lo', 'up'))
  t.teardown(() => closeSync(fd))
  const udp = inNamespace(fd, bound)
  const server = await serving(udp)
  t.teardown(() => server.dns.close())
  const askers = Array.from({ length: clients }, () => {
    const socket = inNamespace(fd, bound)
    t.teardown(() => socket.close())
    const got: Buffer[] = []
    socket.on('message', (answer) => void got.push(answer))
    return {
      got,
      port: socket.address().port,
      ask: (id: number, name: string) => socket.send(question(name, 'A', { id }), server.port, '127.0.0.1'),
    }
  })
  return {
    ...server,
    udp,
    askers,
    inside: (...command: [string, ...string[]]) => inNamespace(fd, () => run(...command)),
  }
}

const addressIn = (answer: Buffer) => answer.subarray(-4).join('.')

t.test(
  'of a burst, each client gets the answers to its own questions, at once or from an upstream',
  async (t) => {
    await using upstream = await fakeUpstream((query) => answerTo(query, ['192.0.2.1']))
    await using server = await serving(bound(), { upstreams: [upstream.where] })
    const clients = await Promise.all(
      Array.from({ length: 6 }, (_, index) => udpClient(server.port, `127.0.2.${index}`)),
    )
    t.teardown(() => {
      for (const client of clients) client[Symbol.dispose]()
    })
    for (const index of clients.keys()) {
      server.dns.views.set(`127.0.2.${index}`, { mine: `host-${index}` })
    }
    // All datagrams are in the kernel before the server sees the first.
    for (let id = 0; id < 20; id += 4) {
      for (const client of clients) {
        client.send(question(`host-${id}.dev.internal`, 'A', { id }))
        client.send(question('mine', 'A', { id: id + 1 }))
        client.send(question('www.example.com', 'A', { id: id + 2 }))
        client.send(question('mine', 'A', { id: id + 3, rest: [Buffer.alloc(id === 0 ? 5000 : 5)] }))
      }
    }
    for (const [index, client] of clients.entries()) {
      const answers = await client.received(20)
      const found = answers.map((answer) => {
        const { id, rcode } = header(answer)
        return [id, rcode === 0 ? addressIn(answer) : rcode] as const
      })
      t.same(
        found.sort(([one], [other]) => one - other),
        [0, 4, 8, 12, 16].flatMap((id) => [
          [id, `10.0.0.${id}`],
          [id + 1, `10.0.0.${index}`],
          [id + 2, '192.0.2.1'],
          [id + 3, 1],
        ]),
      )
    }
    t.match(server.dns.counters, {
      queries: 120,
      zone: 30,
      view: 30,
      forwarded: 30,
      refused: 30,
      errors: 0,
    })
  },
)

t.test('where the kernel’s queue is full, answers wait for it, and each is what it was', async (t) => {
  const { dns, udp, errors, askers, inside } = await apart(t)
  const [client] = askers as [(typeof askers)[0]]
  udp.setSendBufferSize(4096)
  for (let id = 0; id < 128; id++) client.ask(id, `host-${id % 100}.dev.internal`)
  inside('tc', ...'qdisc add dev lo root tbf rate 256kbit burst 4k limit 10m'.split(' '))
  await until(() => udp.getSendQueueCount() > 20, 'answers wait')
  await until(() => client.got.length === 128, 'all are there')
  t.same(
    client.got.map((answer) => [header(answer).id, addressIn(answer)]),
    Array.from({ length: 128 }, (_, id) => [id, `10.0.0.${id % 100}`]),
  )
  t.match(dns.counters, { queries: 128, zone: 128, errors: 0 })
  t.same(errors, [])
})

t.test('each answer that a firewall does not let pass is told of, and only those are lost', async (t) => {
  const { dns, errors, askers, inside } = await apart(t, 2)
  const [refused, client] = askers as [(typeof askers)[0], (typeof askers)[0]]
  inside('nft', 'add table ip f; add chain ip f out { type filter hook output priority 0; }')
  inside('nft', `add rule ip f out udp dport ${refused.port} drop`)
  for (let id = 0; id < 50; id++) {
    refused.ask(id, 'host-1.dev.internal')
    client.ask(id, 'host-2.dev.internal')
  }
  await until(() => client.got.length === 50 && errors.length === 50, 'answered or told of')
  t.same(refused.got, [])
  t.match(errors[0], { code: 'EPERM', syscall: 'send', port: refused.port })
  t.match(dns.counters, { queries: 100, zone: 100, errors: 50 })
})

t.test('a socket that its owner closes while queries wait is told of, and ends nothing', async (t) => {
  const udp = bound()
  udp.once('message', () => udp.close())
  await using server = await serving(udp)
  using client = await udpClient(server.port)
  client.send(question('host-1.dev.internal'))
  await once(udp, 'close')
  await until(() => server.errors.length === 1, 'told of')
  t.match(server.errors, [{ code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' }])
  t.match(server.dns.counters, { queries: 1, errors: 1 })
})
