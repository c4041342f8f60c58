/** Members are answered by a thread of its own, which knows of a change as soon as the call that made it has returned. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { Network } from '../../netns/index.ts'
import { holdDnsThread } from '../../src/network/dns-thread.ts'
import { openNetworkDns } from '../../src/network/network-dns.ts'
import { readDnsPacket } from '../dns/read.ts'
import { question } from '../dns/wire.ts'
import { ownNetwork, until } from '../netns/support.ts'

t.setTimeout(120_000)

const zone = 'moorage.internal'

/** A network's DNS, and its hold on the thread. */
async function ours(network: Network) {
  await using undo = new AsyncDisposableStack()
  const thread = undo.use(holdDnsThread())
  const dns = undo.use(await openNetworkDns(network, thread, { zone, upstreams: 'none' }))
  const held = undo.move()
  return { ...dns, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/** Threads of this process that answer. */
const threads = () =>
  readdirSync('/proc/self/task').filter((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8') === 'dns\n'
    } catch {
      // It ended between the listing and the reading.
      return false
    }
  }).length

/** The addresses of an answer. */
const addresses = (answer: Buffer) => readDnsPacket(answer).answers.map((line) => line.split(' ').at(-1))

/** Asks the gateway for a name from inside the network, one question after the other. */
async function askers(network: Network) {
  const udp = network.bindUdp(network.gateway, 0)
  const tcp = await network.connectTcp(network.gateway, 53)
  const query = (name: string) => question(`${name}.${zone}`, 'A')
  return {
    async udp(name: string) {
      const answered = once(udp, 'message')
      udp.send(query(name), 53, network.gateway)
      const [answer] = await answered
      return addresses(answer)
    },
    async tcp(name: string) {
      const answered = once(tcp, 'data')
      const message = query(name)
      tcp.write(Buffer.concat([Buffer.of(message.length >> 8, message.length & 0xff), message]))
      const [answer] = await answered
      return addresses(answer.subarray(2))
    },
    [Symbol.dispose]() {
      udp.close()
      tcp.destroy()
    },
  }
}

t.test('the next query knows of a change', async (t) => {
  const network = await ownNetwork(t)
  await using dns = await ours(network)
  using ask = await askers(network)
  for (const transport of ['udp', 'tcp'] as const) {
    let stale = 0
    for (let n = 0; n < 2_000; n += 1) {
      const address = `10.1.${n >> 8}.${n & 255}`
      const gone = n % 3 === 2
      // Two names by two changes, of which only the last is asked for: both were posted.
      dns.change([{ kind: 'name', name: 'other', addresses: [address] }])
      dns.change([{ kind: 'name', name: 'db', addresses: gone ? [] : [address] }])
      const found = await ask[transport]('db')
      if (String(found) !== (gone ? '' : address)) stale += 1
    }
    t.equal(stale, 0, transport)
    t.same(await ask[transport]('other'), ['10.1.7.207'])
  }
})

t.test('changes are made together or not at all, by both copies', async (t) => {
  const network = await ownNetwork(t)
  await using dns = await ours(network)
  using ask = await askers(network)
  dns.change([{ kind: 'name', name: 'a', addresses: ['10.1.0.1'] }])
  const before = dns.records()
  t.throws(
    () =>
      dns.change([
        { kind: 'name', name: 'a', addresses: ['10.1.0.2'] },
        { kind: 'name', name: 'b', addresses: ['10.1.0.999'] },
      ]),
    { code: 'INVALID_ADDRESS' },
  )
  t.same(dns.records(), before)
  t.same(await ask.udp('a'), ['10.1.0.1'])
  t.same((await dns.query(`a.${zone}`, 'A', {})).answers.length, 1)
})

t.test('while this thread is busy, queries are answered', async (t) => {
  const network = await ownNetwork(t)
  await using dns = await ours(network)
  dns.change([{ kind: 'name', name: 'db', addresses: ['10.1.0.1'] }])
  const program = new URL('../bench/dns-prober-program.ts', import.meta.url).pathname
  const prober = spawn(
    'nsenter',
    [`--net=${network.namespace}`, process.execPath, program, network.gateway, `db.${zone}`],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const lines = createInterface({ input: prober.stdout })[Symbol.asyncIterator]()
  t.equal((await lines.next()).value, 'asking')
  const until = performance.now() + 1_000
  while (performance.now() < until);
  prober.stdin.end()
  const times: number[] = JSON.parse(String((await lines.next()).value))
  await once(prober, 'exit')
  t.ok(times.length > 50, `${times.length} answers`)
  times.sort((a, b) => a - b)
  t.ok((times[Math.floor(times.length / 2)] as number) < 250, 'half of them in a quarter of that time')
})

t.test('one thread for all networks, which ends with the last', async (t) => {
  const [one, two] = [await ownNetwork(t), await ownNetwork(t)]
  t.equal(threads(), 0)
  const first = await ours(one)
  const second = await ours(two)
  t.equal(threads(), 1)
  first.change([{ kind: 'name', name: 'db', addresses: ['10.1.0.1'] }])
  second.change([{ kind: 'name', name: 'db', addresses: ['10.1.0.2'] }])
  await first[Symbol.asyncDispose]()
  using ask = await askers(two)
  t.same(await ask.udp('db'), ['10.1.0.2'])
  await second[Symbol.asyncDispose]()
  await until('the thread has ended', () => threads() === 0)
  const again = await ours(one)
  t.equal(threads(), 1)
  await again[Symbol.asyncDispose]()
})

t.test('what keeps it from listening is told, and nothing stays open', async (t) => {
  const network = await ownNetwork(t)
  const taken = await network.listenTcp(network.gateway, 53)
  await t.rejects(ours(network), { code: 'KERNEL', errno: 'EADDRINUSE', message: /53/ })
  taken.close()
  await once(taken, 'close')
  const dns = await ours(network)
  await dns[Symbol.asyncDispose]()
})
