/**
 * Answers queries, and prints how much the heap grew by each: `packets` hands them to the server, `socket` sends them
 * over loopback to a batched socket of this process.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { createDnsServer, type PacketHandler } from '../../dns/index.ts'
import { bindBatchedUdp } from '../../netns/index.ts'
import { AF_INET, bind, DatagramBatch, SOCK_DGRAM, socket } from '../../netns/kernel/index.ts'
import { opt, question } from './wire.ts'

const [what, count] = [process.argv[2], Number(process.argv[3])]
const collect = (globalThis as { gc?: () => void }).gc as () => void

let handler: PacketHandler | undefined
const packets = {
  address: '192.0.2.1',
  port: 53,
  receive(how: PacketHandler) {
    handler = how
  },
  close() {},
}
const udp = what === 'socket' ? bindBatchedUdp('127.0.0.1', 0) : packets
await using dns = await createDnsServer({
  zones: ['dev.internal'],
  reverse: ['10.0.0.0/8'],
  listen: [{ udp }],
})
dns.update((tx) => {
  for (let index = 0; index < 1000; index++) {
    tx.zone('dev.internal').set(`host-${index}`, [
      `10.1.${index >> 8}.${index & 255}`,
      `fd00::${index.toString(16)}`,
    ])
  }
  for (const client of ['127.0.0.1', 'fd00::9']) tx.views.set(client, { postgres: 'host-7' })
})

const hosts = (type: string, rest: Buffer[] = []) =>
  Array.from({ length: 1000 }, (_, index) => question(`host-${index}.dev.internal`, type, { rest }))
const four = { octets: Buffer.of(127, 0, 0, 1), port: 40_000, later: () => () => {} }
const six = { ...four, octets: Buffer.from('fd000000000000000000000000000009', 'hex') }
const kinds: Record<string, [queries: Buffer[], source: typeof four]> = {
  A: [hosts('A'), four],
  AAAA: [hosts('AAAA'), four],
  'A with EDNS': [hosts('A', [opt({ options: Buffer.from('000a00080102030405060708', 'hex') })]), four],
  'A over IPv6': [hosts('A'), six],
  PTR: [
    Array.from({ length: 1000 }, (_, index) =>
      question(`${index & 255}.${index >> 8}.1.10.in-addr.arpa`, 'PTR'),
    ),
    four,
  ],
  alias: [[question('postgres', 'A'), question('PostGres', 'AAAA')], six],
  'no data': [hosts('TXT'), four],
  'no such name': [[question('missing.dev.internal'), question('single')], four],
}

function grown(work: () => void): number {
  const before = process.memoryUsage().heapUsed
  work()
  return process.memoryUsage().heapUsed - before
}

const packet = Buffer.alloc(4224)
function answerAll([queries, source]: [Buffer[], typeof four], times: number): void {
  for (let index = 0; index < times; index++) {
    const query = queries[index % queries.length] as Buffer
    packet.set(query)
    if ((handler as PacketHandler).packet(packet, query.length, source) === 0) throw new Error('no answer')
  }
}

/** Sends one batch at a time, and the next one after all answers have come. */
async function askAll(messages: DatagramBatch, fd: number, times: number): Promise<void> {
  const name = Buffer.alloc(16)
  name.writeUInt16LE(AF_INET, 0)
  name.writeUInt16BE(udp.port, 2)
  name.set([127, 0, 0, 1], 4)
  const queries = hosts('A')
  for (let asked = 0; asked < times; asked += messages.count) {
    messages.clear()
    for (let index = 0; index < messages.count; index++) {
      const query = queries[(asked + index) % queries.length] as Buffer
      messages.name(index).set(name)
      messages.contents(index).set(query)
      messages.stage(index, query.length)
    }
    while (messages.unsent > 0) messages.send(fd)
    for (let answers = 0; answers < messages.count; answers += Math.max(messages.receive(fd), 0)) await turn()
  }
}

const result: Record<string, number> = {}
if (what === 'packets') {
  // Until the compiler is done: its own garbage does not count.
  for (let round = 0; round < 5; round++) for (const kind of Object.values(kinds)) answerAll(kind, 20_000)
  collect()
  console.log('begin')
  for (const [name, kind] of Object.entries(kinds)) result[name] = grown(() => answerAll(kind, count)) / count
} else {
  const fd = socket(AF_INET, SOCK_DGRAM, 0, 'make a socket')
  bind(fd, Buffer.from('0200000000000000'.padEnd(32, '0'), 'hex'), 'bind')
  const messages = new DatagramBatch({ count: 64, room: 512, nameLength: 16, destinations: false })
  await askAll(messages, fd, 20_000)
  collect()
  console.log('begin')
  const before = process.memoryUsage().heapUsed
  await askAll(messages, fd, count)
  result.socket = (process.memoryUsage().heapUsed - before) / count
}
console.log(JSON.stringify(result))
process.exit()
