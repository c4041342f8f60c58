import t from 'tap'
import { DnsError } from '../../dns/errors.ts'
import { createDnsServer } from '../../dns/index.ts'
import { decodeAnswer } from '../../dns/wire/decode-answer.ts'
import { randomNumbers } from './fuzz/random.ts'
import { readOurs } from './read.ts'
import { ask, header, opt, question } from './wire.ts'

const client = '10.0.0.9'
const cookie = opt({ options: Buffer.from('000a00080102030405060708', 'hex') })
const seeds = [
  question('db.dev.internal'),
  question('db.dev.internal', 'AAAA', { rest: [opt()] }),
  question('www.dev.internal', 'A', { rest: [cookie] }),
  question('postgres', 'A', { rest: [opt({ size: 4096 })] }),
  question('7.0.0.10.in-addr.arpa', 'PTR'),
  question('many.dev.internal', 'A', { rest: [opt({ size: 512 })] }),
  question('dev.internal', 'SOA'),
  question('a.b.localhost', 'ANY'),
  question('www.example.com', 'HTTPS', { rest: [opt({ flags: 0x8000 })] }),
]

function mutate(seed: Buffer, random: (below: number) => number): Buffer {
  const message = Buffer.from(seed)
  for (let left = random(6); left > 0; left--) {
    const at = random(message.length)
    if (random(3) === 0) message[at] = [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff][random(7)] as number
    else message[at] = random(256)
  }
  if (random(4) === 0) return message.subarray(0, random(message.length + 1))
  if (random(8) === 0) return Buffer.concat([message, seeds[random(seeds.length)] as Buffer])
  return message
}

t.test('20,000 mutated queries: no fault, no answer to an answer, nothing malformed sent', async (t) => {
  await using dns = await createDnsServer({
    zones: ['dev.internal'],
    reverse: ['10.0.0.0/16'],
    upstreams: ['127.0.0.1:1'],
  })
  const zone = dns.zone('dev.internal')
  zone.set('db', ['10.0.0.7', 'fd00::7'])
  zone.set(
    'many',
    Array.from({ length: 80 }, (_, index) => `10.0.9.${index}`),
  )
  zone.setCname('www', 'db')
  dns.views.set(client, { postgres: 'db' })
  const random = randomNumbers(0x5eed)
  const seen = new Map<string, number>()
  const problems: string[] = []
  for (let count = 0; count < 20_000; count++) {
    const query = mutate(seeds[count % seeds.length] as Buffer, random)
    const transport = random(2) === 0 ? 'udp' : 'tcp'
    const problem = (what: string) => problems.push(`${what}: ${query.toString('hex')}`)
    const { verdict, answer } = ask(dns, query, { transport, ...(random(2) === 0 ? { client } : {}) })
    seen.set(verdict, (seen.get(verdict) ?? 0) + 1)
    const isQuery = query.length >= 12 && (query[2] as number) < 0x80
    if ((verdict === 'drop') === isQuery) problem('what is dropped is what is no query (8906)')
    if (answer === undefined) continue
    const { id, qr, opcode } = header(answer)
    if (!qr || id !== query.readUInt16BE(0) || opcode !== (((query[2] as number) >> 3) & 15))
      problem('not its answer')
    if (transport === 'udp' && answer.length > 1232) problem('too large')
    try {
      readOurs(answer)
    } catch (error) {
      problem((error as Error).message)
    }
  }
  t.same(problems.slice(0, 5), [])
  for (const verdict of ['view', 'zone', 'local', 'refusal', 'forward', 'drop']) {
    t.ok((seen.get(verdict) ?? 0) > 100, `${verdict}: ${seen.get(verdict)}`)
  }
})

t.test('octets that mean nothing', async (t) => {
  await using dns = await createDnsServer({ zones: ['dev.internal'] })
  const random = randomNumbers(0xbad)
  for (let count = 0; count < 5000; count++) {
    const message = Buffer.from(Array.from({ length: random(80) }, () => random(256)))
    const { answer } = ask(dns, message)
    if (answer !== undefined && !header(answer).qr) t.fail(message.toString('hex'))
  }
  t.pass('no fault')
})

t.test('20,000 mutated answers are checked without a fault but the one that is told of', async (t) => {
  await using dns = await createDnsServer({ zones: ['dev.internal'] })
  dns.zone('dev.internal').setCname('www', 'db')
  dns.zone('dev.internal').set('db', ['10.0.0.7'])
  const answers = [question('www.dev.internal'), question('dev.internal', 'SOA')].map(
    (query) => ask(dns, query).answer as Buffer,
  )
  const random = randomNumbers(0xacce55)
  let refused = 0
  for (let count = 0; count < 20_000; count++) {
    try {
      decodeAnswer(mutate(answers[count % answers.length] as Buffer, random), 'x', 'A')
    } catch (error) {
      if (!(error instanceof DnsError) || error.code !== 'INVALID_ANSWER') throw error
      refused++
    }
  }
  t.ok(refused > 1000, `${refused} refused`)
})
