import t from 'tap'
import { createDnsServer, type DnsServer, newReply, respond } from '../../dns/index.ts'
import { decodeQuery, newQuery } from '../../dns/wire/decode-query.ts'
import { corpusReverse, corpusZones, fillCorpus } from './corpus.ts'
import { createStopwatch, memoryHeld } from './fuzz/bounds.ts'
import { mutate } from './fuzz/mutate.ts'
import { randomNumbers } from './fuzz/random.ts'
import { rounds } from './fuzz/rounds.ts'
import { readSeeds } from './fuzz/seeds.ts'
import { readDns2, readDnsPacket, readOurs } from './read.ts'
import { header } from './wire.ts'

const { seed, count } = rounds(t, 2_400_000)

const clients = [undefined, '10.0.0.99', '10.0.0.98', '10.0.0.97', '192.0.2.1', 'fd00::1', 'nonsense']

async function server(): Promise<DnsServer> {
  const dns = await createDnsServer({
    zones: corpusZones,
    reverse: corpusReverse,
    upstreams: ['127.0.0.1:1'],
    routes: { 'nowhere.example.com': 'none' },
  })
  fillCorpus(dns)
  dns.views.set('10.0.0.99', { postgres: 'db', 'api.example.com': 'four', www: 'www2', gone: 'gone' })
  dns.views.set('10.0.0.98', { postgres: 'db' }, { only: ['_pg._tcp', 'deep.below'], outside: false })
  dns.views.set('10.0.0.0/16', { subnet: 'six' })
  return dns
}

t.test(
  `${count} mutated queries are decoded and answered (seed ${seed})`,
  { timeout: 1_800_000 },
  async (t) => {
    await using dns = await server()
    const seeds = readSeeds('queries')
    const random = randomNumbers(seed)
    const reply = newReply()
    const inPlace = newReply(Buffer.alloc(70_000 + 65_535))
    const query = newQuery()
    const stopwatch = createStopwatch()
    const seen = new Map<string, number>()
    const problems: string[] = []
    let held = 0

    const one = (message: Buffer) => {
      const problem = (what: string) => problems.push(`${what}: ${message.toString('hex')}`)
      const client = clients[random(clients.length)]
      const transport = random(3) === 0 ? 'tcp' : 'udp'
      const isQuery = message.length >= 12 && (message[2] as number) < 0x80
      if ((decodeQuery(message, message.length, query) === 'drop') === isQuery)
        problem('decoded wrongly (8906)')
      const verdict = respond(message, message.length, { client, transport }, dns.knowledge, reply)
      seen.set(verdict, (seen.get(verdict) ?? 0) + 1)
      if ((verdict === 'drop') === isQuery) problem('dropped wrongly (8906)')
      if (verdict === 'drop' || verdict === 'forward') return
      const answer = Buffer.from(reply.buffer.subarray(0, reply.length))
      const { id, qr, opcode, questions } = header(answer)
      if (!qr || id !== message.readUInt16BE(0)) problem('not its answer')
      if (opcode !== (((message[2] as number) >> 3) & 15)) problem('not its opcode')
      if (questions > 1) problem('more than a question')
      if (transport === 'udp' && answer.length > 1232) problem('too large')
      if (respond(answer, answer.length, { client, transport }, dns.knowledge, reply) !== 'drop') {
        problem('an answer was answered')
      }
      // The same in place, as a packet socket has it answered.
      message.copy(inPlace.buffer)
      respond(inPlace.buffer, message.length, { client, transport }, dns.knowledge, inPlace)
      if (answer.compare(inPlace.buffer, 0, inPlace.length) !== 0)
        problem('answered otherwise in its own buffer')
      try {
        readOurs(answer)
        readDns2(answer)
        readDnsPacket(answer)
      } catch (error) {
        problem(`no parser takes its answer: ${(error as Error).message}`)
      }
    }
    for (let index = 0; index < count; index++) {
      const message = mutate(seeds, random)
      stopwatch.time(message, () => one(message))
      if (index === Math.floor(count / 5)) held = memoryHeld()
      if (problems.length > 5) break
    }
    const growth = memoryHeld() - held
    t.same(problems, [])
    t.same(stopwatch.slow, [], 'none takes long')
    t.ok(growth < 4 * 1024 * 1024, `memory is flat: ${Math.round(growth / 1024)} KiB`)
    for (const verdict of ['view', 'zone', 'local', 'refusal', 'forward', 'drop']) {
      t.ok((seen.get(verdict) ?? 0) > count / 1000, `${verdict}: ${seen.get(verdict)}`)
    }
  },
)
