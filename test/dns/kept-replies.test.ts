import t from 'tap'
import { createDnsServer, type DnsServer } from '../../dns/index.ts'
import { KeptReplies } from '../../dns/wire/kept-replies.ts'
import { hashName, wireName } from '../../dns/wire/name.ts'
import { recordSet } from '../../dns/wire/record-set.ts'
import { randomNumbers } from './fuzz/random.ts'
import { ask, opt, question } from './wire.ts'

const server = () =>
  createDnsServer({ zones: ['dev.internal', 'other.internal'], reverse: ['10.0.0.0/16', 'fd00::/64'] })

const clients = ['10.0.0.1', '10.0.0.2', '10.0.0.3']

/** One change, or several of which the last may fail: the same for every server that gets the same numbers. */
function change(dns: DnsServer, random: (bound: number) => number): void {
  const name = () => `n${random(12)}${['', '', '.below', '.deep.below'][random(4)]}`
  const address = () => [`10.0.${random(3)}.${random(4)}`, `fd00::${random(5)}`][random(2)] as string
  const one = (to: Pick<DnsServer, 'zone' | 'views'>) => {
    const zone = to.zone(random(5) === 0 ? 'other.internal' : 'dev.internal')
    switch (random(8)) {
      case 0:
        return void zone.delete(name())
      case 1:
        return zone.setCname(name(), `n${random(12)}`)
      case 2:
        return zone.setText(name(), ['text'])
      case 3:
        return to.views.set(
          clients[random(3)] as string,
          { alias: name(), 'n1.dev.internal': name() },
          random(3) === 0 ? { only: [name()] } : {},
        )
      case 4:
        return void to.views.delete(clients[random(3)] as string)
      default:
        return zone.set(name(), Array.from({ length: random(4) }, address), { ttl: random(2) })
    }
  }
  try {
    if (random(4) !== 0) one(dns)
    else
      dns.update((tx) => {
        for (let left = 1 + random(4); left > 0; left--) one(tx)
        if (random(2) === 0) throw new Error('taken back')
      })
  } catch (error) {
    // A CNAME beside other data, or an update that fails on purpose: the same happens on both servers.
    if (!/CNAME|taken back|other records/.test(String(error))) throw error
  }
}

t.test('a kept reply is what would be answered without: after any changes, octet by octet', async (t) => {
  await using dns = await server()
  await using without = await server()
  let uses = 0
  const { kept } = dns.knowledge.names
  const find = kept.find.bind(kept)
  kept.find = (...args) => {
    const at = find(...args)
    if (at !== 0) uses++
    return at
  }
  without.knowledge.names.kept.find = () => 0
  const [random, same, other] = [randomNumbers(7), randomNumbers(11), randomNumbers(11)]
  const names = Array.from({ length: 12 }, (_, index) => `n${index}`).flatMap((name) =>
    ['dev.internal', 'DEV.Internal', 'below.dev.internal', 'deep.below.dev.internal', 'other.internal'].map(
      (rest) => `${name}.${rest}`,
    ),
  )
  const reverse = ['0.0', '1.0', '2.1', '3.2'].map((rest) => `${rest}.0.10.in-addr.arpa`)
  for (let step = 0; step < 400; step++) {
    change(dns, same)
    change(without, other)
    for (let questions = 0; questions < 30; questions++) {
      const name = [...names, ...reverse, 'alias', 'ALIAS', 'localhost'][random(67)] as string
      const type = ['A', 'A', 'AAAA', 'PTR', 'TXT', 'CNAME'][random(6)] as string
      const query = question(name, type, random(2) === 0 ? {} : { rest: [opt()] })
      const asker = { client: [...clients, '10.9.9.9'][random(4)] as string }
      const [answer, expected] = [ask(dns, query, asker), ask(without, query, asker)]
      if (answer.verdict === expected.verdict && answer.answer?.equals(expected.answer ?? Buffer.alloc(0)))
        continue
      t.same(answer, expected, `${name} ${type} for ${asker.client} after step ${step}`)
      return
    }
  }
  t.ok(uses > 500, `${uses} replies were kept`)
})

t.test('answers too large for a client are truncated, kept or not', async (t) => {
  await using dns = await server()
  dns.zone('dev.internal').set(
    'many',
    Array.from({ length: 60 }, (_, index) => `10.0.1.${index}`),
  )
  const sizes = [512, 1232, 512].map((size) => {
    const { answer } = ask(dns, question('many.dev.internal', 'A', { rest: [opt({ size })] }))
    return [answer?.readUInt16BE(6), (answer?.readUInt16BE(2) ?? 0) & 0x0200]
  })
  t.same(sizes, [
    [0, 0x0200],
    [60, 0],
    [0, 0x0200],
  ])
  const tcp = ask(dns, question('many.dev.internal'), { transport: 'tcp' })
  t.equal(tcp.answer?.readUInt16BE(6), 60)
})

t.test(
  'a client that may not see all names is answered anew each time, and nothing is kept twice',
  async (t) => {
    await using dns = await server()
    dns.zone('dev.internal').set('n1', ['10.0.0.7'])
    dns.views.set('10.0.0.9', {}, { only: ['n1'] })
    const { kept } = dns.knowledge.names
    const before = kept.octets.length
    for (let left = 10_000; left > 0; left--) {
      const { answer } = ask(dns, question('n1.dev.internal'), { client: '10.0.0.9' })
      if (answer?.readUInt16BE(6) !== 1) t.fail('no answer')
    }
    t.equal(kept.octets.length, before)
  },
)

t.test(
  'memory has its limits: nothing wrong is answered after replies were forgotten for lack of room',
  (t) => {
    const kept = new KeptReplies()
    const wires = Array.from({ length: 150_000 }, (_, index) => wireName(`host-${index}.dev.internal`))
    const hashes = wires.map((wire) => hashName(wire, 0, wire.length))
    const numberOf = (index: number) => Buffer.of(index >> 24, index >> 16, index >> 8, index)
    let most = 0
    for (const [index, wire] of wires.entries()) {
      const set = recordSet(1, 0, [numberOf(index)])
      if (set === undefined) throw new Error('no set')
      kept.keep(wire, 0, wire.length, hashes[index] as number, 1, set)
      most = Math.max(most, kept.octets.length)
    }
    t.ok(most <= 16 * 1024 * 1024, `${most} octets`)
    let known = 0
    for (const [index, wire] of wires.entries()) {
      const hash = hashes[index] as number
      if (kept.find(wire, 0, wire.length, hash, 28) !== 0) t.fail('a type that nobody kept')
      const at = kept.find(wire, 0, wire.length, hash, 1)
      if (at === 0) continue
      known++
      const end = kept.recordsAt(at) + kept.lengthAt(at)
      if (!numberOf(index).equals(kept.octets.subarray(end - 4, end)))
        t.fail(`the answer of another name for ${index}`)
    }
    t.ok(known > 1000, `${known} are known`)
    const last = wires.at(-1) as Buffer
    const hash = hashes.at(-1) as number
    kept.forget(last, hash, [1])
    t.equal(kept.find(last, 0, last.length, hash, 1), 0)
    t.end()
  },
)

t.test('names that change over and over leave nothing behind', (t) => {
  const kept = new KeptReplies()
  const wire = wireName('one.dev.internal')
  const hash = hashName(wire, 0, wire.length)
  const set = recordSet(1, 0, [Buffer.of(10, 0, 0, 1)])
  if (set === undefined) throw new Error('no set')
  for (let round = 0; round < 200_000; round++) {
    kept.keep(wire, 0, wire.length, hash, 1, set)
    if (round % 20_000 === 0) t.not(kept.find(wire, 0, wire.length, hash, 1), 0)
    kept.forget(wire, hash, [1])
  }
  t.equal(kept.find(wire, 0, wire.length, hash, 1), 0)
  t.ok(kept.octets.length <= 128 * 1024, `${kept.octets.length} octets`)
  t.end()
})
