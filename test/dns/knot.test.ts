import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'
import { typeName } from '../../dns/wire/record-types.ts'
import { tcpClient, udpClient } from './clients.ts'
import { corpusNames, corpusReverse, corpusTypes, corpusZones, fillCorpus } from './corpus.ts'
import { startKnot, zoneFiles } from './knot.ts'
import { optOf, readDns2 } from './read.ts'
import { header, opt, type QueryParts, question, wire } from './wire.ts'

interface Asked {
  /** The question in words, by which the differences below are found. */
  what: string
  message: Buffer
  transport?: 'udp' | 'tcp'
}

const edns = (parts = {}): QueryParts => ({ flags: 0, rest: [opt(parts)] })
const cookie = Buffer.from('000a00080102030405060708', 'hex')
const soaRecord = Buffer.concat([wire('dev.internal'), Buffer.from('00060001000000000000', 'hex')])
const name = 'db.dev.internal'

/** Every name with every type, and for some names every variation of header and OPT record. */
const asked: Asked[] = [
  ...corpusNames.flatMap((name) =>
    corpusTypes.flatMap((type): Asked[] => {
      const what = `${name} ${typeof type === 'number' ? typeName(type) : type}`
      return [
        { what, message: question(name, type, { flags: 0 }) },
        { what: `${what} +edns`, message: question(name, type, edns()) },
      ]
    }),
  ),
  ...[name, 'nobody.dev.internal', 'many.dev.internal', 'www2.dev.internal'].flatMap((name): Asked[] => [
    { what: `${name} A +rd`, message: question(name, 'A', { flags: 0x0100 }) },
    { what: `${name} A +cd +ad`, message: question(name, 'A', { flags: 0x0030 }) },
    { what: `${name} A +z`, message: question(name, 'A', { flags: 0x0040 }) },
    { what: `${name} A +edns 512`, message: question(name, 'A', edns({ size: 512 })) },
    { what: `${name} A +edns 100`, message: question(name, 'A', edns({ size: 100 })) },
    { what: `${name} A +edns 4096`, message: question(name, 'A', edns({ size: 4096 })) },
    { what: `${name} A +do`, message: question(name, 'A', edns({ flags: 0x8000 })) },
    { what: `${name} A +edns flags`, message: question(name, 'A', edns({ flags: 0x7fff })) },
    { what: `${name} A +edns 1`, message: question(name, 'A', edns({ version: 1 })) },
    { what: `${name} A +cookie`, message: question(name, 'A', edns({ options: cookie })) },
    { what: `${name} A +tcp`, message: question(name, 'A', edns()), transport: 'tcp' },
    { what: `${name} A +tcp -edns`, message: question(name, 'A', { flags: 0 }), transport: 'tcp' },
  ]),
  { what: 'ANY', message: question(name, 'ANY', edns()) },
  { what: 'ANY of no name', message: question('nobody.dev.internal', 'ANY', edns()) },
  { what: 'AXFR over UDP', message: question('dev.internal', 'AXFR', { flags: 0 }) },
  { what: 'AXFR over TCP', message: question('dev.internal', 'AXFR', { flags: 0 }), transport: 'tcp' },
  {
    what: 'IXFR',
    message: question('dev.internal', 'IXFR', {
      flags: 0,
      authorities: 1,
      rest: [soaRecord],
      additionals: 0,
    }),
  },
  { what: 'a name of nobody’s', message: question('www.example.com', 'A', { flags: 0 }) },
  { what: 'a name of nobody’s +edns', message: question('www.example.com', 'A', edns()) },
  { what: 'a single label', message: question('postgres', 'A', { flags: 0 }) },
  { what: 'the root', message: question('.', 'NS', { flags: 0 }) },
  { what: 'localhost', message: question('localhost', 'A', { flags: 0 }) },
  { what: 'invalid', message: question('a.invalid', 'A', { flags: 0 }) },
  { what: 'class CH', message: question('version.bind', 'TXT', { flags: 0, class: 3 }) },
  { what: 'class HS', message: question(name, 'A', { flags: 0, class: 4 }) },
  { what: 'class ANY', message: question(name, 'A', { flags: 0, class: 255 }) },
  { what: 'OPT as a type', message: question(name, 41, { flags: 0 }) },
  { what: 'type 0', message: question(name, 0, { flags: 0 }) },
  { what: 'a meta type', message: question(name, 250, { flags: 0 }) },
  { what: 'opcode IQUERY', message: question(name, 'A', { flags: 0x0800 }) },
  { what: 'opcode STATUS', message: question(name, 'A', { flags: 0x1000 }) },
  { what: 'opcode 3', message: question(name, 'A', { flags: 0x1800 }) },
  { what: 'opcode NOTIFY', message: question('dev.internal', 'SOA', { flags: 0x2000 }) },
  { what: 'opcode UPDATE', message: question('dev.internal', 'SOA', { flags: 0x2800 }) },
  { what: 'opcode DSO', message: question(name, 'A', { flags: 0x3000 }) },
  { what: 'an answer', message: question(name, 'A', { flags: 0x8000 }) },
  { what: 'no question', message: question(name, 'A', { flags: 0, questions: 0 }).subarray(0, 12) },
  { what: 'no question, though it is there', message: question(name, 'A', { flags: 0, questions: 0 }) },
  {
    what: 'two questions',
    message: question(name, 'A', {
      flags: 0,
      questions: 2,
      rest: [question(name).subarray(12)],
      additionals: 0,
    }),
  },
  { what: 'half a header', message: question(name).subarray(0, 11) },
  { what: 'a question that is cut off', message: question(name, 'A', { flags: 0 }).subarray(0, 20) },
  { what: 'a question without its class', message: question(name, 'A', { flags: 0 }).subarray(0, -2) },
  { what: 'a pointer in the question', message: question(Buffer.from('c00c', 'hex'), 'A', { flags: 0 }) },
  {
    what: 'a reserved label',
    message: question(Buffer.concat([Buffer.of(0x40), wire('x')]), 'A', { flags: 0 }),
  },
  { what: 'two OPT records', message: question(name, 'A', { flags: 0, rest: [opt(), opt()] }) },
  {
    what: 'an OPT of somebody',
    message: question(name, 'A', { flags: 0, rest: [opt({ owner: wire('x') })] }),
  },
  { what: 'an OPT that is cut off', message: question(name, 'A', edns()).subarray(0, -1) },
  {
    what: 'an option that is cut off',
    message: question(name, 'A', edns({ options: Buffer.from('fde80009abcd', 'hex') })),
  },
  {
    what: 'an unknown option',
    message: question(name, 'A', edns({ options: Buffer.from('fde80002abcd', 'hex') })),
  },
  {
    what: 'a cookie of 3 octets',
    message: question(name, 'A', edns({ options: Buffer.from('000a0003010203', 'hex') })),
  },
  {
    what: 'a cookie of 41 octets',
    message: question(
      name,
      'A',
      edns({ options: Buffer.concat([Buffer.from('000a0029', 'hex'), Buffer.alloc(41)]) }),
    ),
  },
  {
    what: 'octets after the end',
    message: question(name, 'A', { flags: 0, rest: [Buffer.of(0)], additionals: 0 }),
  },
  {
    what: 'an answer in the query',
    message: question(name, 'A', { flags: 0, answers: 1, rest: [soaRecord], additionals: 0 }),
  },
  { what: 'a label of 63', message: question(`${'x'.repeat(63)}.dev.internal`, 'A', { flags: 0 }) },
  {
    what: 'a name of 255 octets',
    message: question(`${'x'.repeat(62)}.${'x.'.repeat(89)}dev.internal`, 'A', { flags: 0 }),
  },
  {
    what: 'a name of 256 octets',
    message: question(`${'x'.repeat(63)}.${'x.'.repeat(89)}dev.internal`, 'A', { flags: 0 }),
  },
  {
    what: 'a name with a zero octet',
    message: question(Buffer.from('03610062036465760869 6e7465726e616c00'.replace(' ', ''), 'hex'), 'A', {
      flags: 0,
    }),
  },
  {
    what: 'a label with a dot in it',
    message: question(Buffer.concat([Buffer.from('\x05db.de\x01v', 'latin1'), wire('internal')]), 'A', {
      flags: 0,
    }),
  },
]

/** The differences from Knot 3.2, each with its reason. A difference that does not occur is an error. */
const differences: { when: RegExp; fields: string[]; why: string }[] = [
  {
    when: /^far\.down\.dev\.internal DS/,
    fields: ['authorities'],
    why: 'DS records belong to the zone above (RFC 4035, 3.1.4.1), which only matters with DNSSEC: there is none here',
  },
  { when: / \+cd \+ad$/, fields: ['cd'], why: 'RFC 4035, 3.1.6: CD is copied; Knot clears it' },
  {
    when: /^ANY$/,
    fields: ['answers'],
    why: 'RFC 8482, 4.2: one HINFO; Knot gives one set of those it has (4.1)',
  },
  {
    when: /^[AI]XFR/,
    fields: ['rcode'],
    why: 'REFUSED says it, over both transports; Knot has NOTIMP over UDP, NOTAUTH over TCP, FORMERR for our short SOA',
  },
  {
    when: /^(a single label|invalid)$/,
    fields: ['rcode', 'authorities'],
    why: 'RFC 6761, 6.4: a resolver that clients have alone knows that these do not exist; Knot is no resolver',
  },
  {
    when: /^localhost$/,
    fields: ['aa', 'rcode', 'answers'],
    why: 'RFC 6761, 6.3: a resolver answers localhost by itself',
  },
  { when: /^class CH$/, fields: ['rcode', 'answers'], why: 'Knot tells its version; we do not' },
  {
    when: /^class ANY$/,
    fields: ['aa', 'rcode', 'answers'],
    why: 'no client asks so; what is not of class IN is refused',
  },
  {
    when: /^OPT as a type$/,
    fields: ['aa', 'rcode', 'authorities'],
    why: 'RFC 6891, 6.1.1: OPT is no type to ask for: FORMERR; Knot takes it for a type without data',
  },
  { when: /^type 0$/, fields: ['rcode'], why: 'RFC 6895, 3.1: reserved, FORMERR; Knot has NOTIMP' },
  {
    when: /^a meta type$/,
    fields: ['aa', 'rcode', 'authorities'],
    why: 'RFC 6895, 3.1: meta types ask for services: NOTIMP; Knot takes them for types without data',
  },
  {
    when: /^opcode /,
    fields: ['rcode', 'questions', 'question'],
    why: 'NOTIMP for all, and nothing is repeated, as their sections mean something else; Knot has NOTIFY and UPDATE',
  },
  {
    when: /^(no question, though|two questions|a question (that|without)|a pointer|a reserved|a name of 256)/,
    fields: ['answered'],
    why: 'RFC 8906, 3.1.4 and RFC 9619: FORMERR, with the id; Knot is silent',
  },
  {
    when: /^an answer in the query$/,
    fields: ['questions', 'question'],
    why: 'FORMERR both; Knot repeats the question',
  },
  {
    when: /^(two OPT records|an option that is cut off)$/,
    fields: ['opt'],
    why: 'FORMERR both; ours has an OPT record, as every answer to a query that has one (RFC 6891, 7)',
  },
  {
    when: /^an OPT of somebody$/,
    fields: ['aa', 'rcode', 'answers', 'opt'],
    why: 'RFC 6891, 6.1.2: the name of an OPT record must be the root: FORMERR; Knot does not look',
  },
  {
    when: /^a cookie of (3|41) octets$/,
    fields: ['aa', 'rcode', 'answers'],
    why: 'RFC 7873, 5.2.2: a cookie of a wrong length is FORMERR; Knot looks at cookies only where it is told to',
  },
]

/** The meaning of an answer: without the order of sets (RFC 2181, 5) and without compression. */
function meaning(answer: Buffer | undefined, message: Buffer): Record<string, unknown> {
  if (answer === undefined) return { answered: false }
  const { answers, authorities, additionals, ...flags } = header(answer)
  const found = optOf(answer)
  const read = readDns2(answer)
  return {
    answered: true,
    ...flags,
    question:
      flags.questions === 1 ? answer.compare(message, 12, endOf(message), 12, endOf(message)) === 0 : 'none',
    answers: read.answers.sort().join('; '),
    authorities: read.authorities.sort().join('; '),
    additionals: read.additionals.sort().join('; '),
    opt:
      found === undefined
        ? 'none'
        : `${found.size} ${found.rcode} ${found.version} ${found.flags.toString(16)}`,
    reason: found?.reason,
  }
}

/** The offset at which the question of a message ends. */
function endOf(message: Buffer): number {
  let at = 12
  while (message[at] !== 0) at += (message[at] ?? 0) + 1
  return at + 5
}

t.test('the same questions to Knot and to us', async (t) => {
  await using dns = await createDnsServer({
    zones: corpusZones,
    reverse: corpusReverse,
    listen: [{ address: '127.0.0.1', port: 0 }],
  })
  fillCorpus(dns)
  await using knot = await startKnot(await zoneFiles(dns, corpusReverse))
  const ours = await askAll(dns.addresses[0]?.port ?? 0)
  const theirs = await askAll(knot.port)
  const occurred = new Set<object>()
  const unlisted: string[] = []
  for (const [index, { what, message }] of asked.entries()) {
    const our = meaning(ours[index], message)
    const their = meaning(theirs[index], message)
    // If one server is silent, that is one difference.
    const fields = our.answered === their.answered ? Object.keys(our) : ['answered']
    for (const field of fields) {
      if (our[field] === their[field]) continue
      const reason = differences.find(({ when, fields }) => when.test(what) && fields.includes(field))
      if (reason !== undefined) occurred.add(reason)
      else unlisted.push(`${what}: ${field}: ours ${our[field]}, Knot’s ${their[field]}`)
    }
  }
  t.same(unlisted, [], `${asked.length} questions, no difference that is not listed`)
  for (const difference of differences) {
    t.ok(occurred.has(difference), `listed: ${difference.when} ${difference.fields} (${difference.why})`)
  }
})

/** The answers in the order of their questions; silence is `undefined`. */
async function askAll(port: number): Promise<(Buffer | undefined)[]> {
  const found: (Buffer | undefined)[] = asked.map(() => undefined)
  using udp = await udpClient(port)
  for (const [id, { message, transport = 'udp' }] of asked.entries()) {
    if (message.length >= 12) message.writeUInt16BE(id, 0)
    if (transport === 'udp') udp.send(message)
    else {
      using tcp = await tcpClient(port)
      tcp.send(message)
      ;[found[id]] = await tcp.received(1)
    }
    // One question after the other, so that silence is noticed for the right one.
    const last = question(name, 'A', { id: 0xffff, flags: 0 })
    udp.send(last)
    await udp.received(udp.answers.length + 1)
    while (udp.answers.at(-1)?.readUInt16BE(0) !== 0xffff) await udp.received(udp.answers.length + 1)
  }
  for (const answer of udp.answers) {
    const id = answer.readUInt16BE(0)
    if (id !== 0xffff) found[id] = answer
  }
  return found
}
