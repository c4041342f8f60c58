import { Packet } from 'dns2'
import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'
import { rcodeName } from '../../dns/wire/rcodes.ts'
import { ask, header, opt, type QueryParts, question, wire } from './wire.ts'

const client = '10.0.0.9'
const dns = await createDnsServer({
  zones: ['dev.internal', 'far.down.dev.internal'],
  reverse: ['10.0.0.0/16', 'fd00::/64', '192.168.4.0/22'],
  upstreams: ['127.0.0.1:1'],
})
const zone = dns.zone('dev.internal')
zone.set('db', ['10.0.0.7', 'fd00::7'])
zone.set('four', ['10.0.0.4', '10.0.0.5'])
zone.set('deep.below', ['192.168.6.1'])
zone.set('none', [])
zone.set('twin', ['10.0.0.7'])
zone.setText('db', ['one', 'two words'])
zone.setCname('www', 'db')
zone.setCname('www2', 'www')
zone.setCname('away', 'www.example.com.')
zone.setCname('lost', 'gone')
zone.setCname('round', 'about')
zone.setCname('about', 'round')
dns.views.set(client, {
  postgres: 'db',
  'api.example.com': 'four',
  web: 'www',
  absent: 'gone',
  outside: 'away',
})
t.teardown(() => dns.close())

/** The records of a section, as read by dns2, an independent implementation. */
function records(answer: Buffer, section: 'answers' | 'authorities'): string[] {
  const packet = Packet.parse(answer)
  if (packet.errors.length > 0) throw packet.errors[0]
  const rows = packet[section] as unknown as Record<string, unknown>[]
  return rows.map(({ name, type, ttl, address, domain, ns, data, primary, cpu }) => {
    const value = address ?? domain ?? ns ?? primary ?? data ?? cpu
    const text = Buffer.isBuffer(value) ? value.toString('latin1') : String(value)
    return `${name} ${ttl} ${type} ${text}`
  })
}

interface Case {
  say: string
  ask: [name: string, type?: string | number, parts?: QueryParts]
  as?: string
  status?: string
  aa?: boolean
  answers?: string[]
  /** The owner of the SOA record of a negative answer. */
  soa?: string
  verdict?: string
}

const soaOf = (name: string) => [`${name} 0 6 ${name}`]

const cases: Case[] = [
  { say: 'an address', ask: ['db.dev.internal'], aa: true, answers: ['db.dev.internal 0 1 10.0.0.7'] },
  {
    say: 'an IPv6 address (3596)',
    ask: ['db.dev.internal', 'AAAA'],
    answers: ['db.dev.internal 0 28 fd00::7'],
  },
  {
    say: 'several addresses, in their order',
    ask: ['four.dev.internal'],
    answers: ['four.dev.internal 0 1 10.0.0.4', 'four.dev.internal 0 1 10.0.0.5'],
  },
  {
    say: 'case does not matter, and is kept (4343)',
    ask: ['dB.DEV.inTERnal'],
    answers: ['dB.DEV.inTERnal 0 1 10.0.0.7'],
  },
  { say: 'text', ask: ['db.dev.internal', 'TXT'], answers: ['db.dev.internal 0 16 one,two words'] },
  {
    say: 'no data of the type: NODATA with SOA (2308, 2.2)',
    ask: ['four.dev.internal', 'AAAA'],
    soa: 'dev.internal',
  },
  { say: 'HTTPS of a name that exists (9460)', ask: ['db.dev.internal', 'HTTPS'], soa: 'dev.internal' },
  { say: 'SRV of a name that exists', ask: ['db.dev.internal', 'SRV'], soa: 'dev.internal' },
  { say: 'a type of the future (3597)', ask: ['db.dev.internal', 65280], soa: 'dev.internal' },
  { say: 'a name without any data exists', ask: ['none.dev.internal'], soa: 'dev.internal' },
  { say: 'an empty non-terminal exists (4592, 8020)', ask: ['below.dev.internal'], soa: 'dev.internal' },
  { say: 'so do the names above a zone within a zone', ask: ['down.dev.internal'], soa: 'dev.internal' },
  {
    say: 'the inner zone answers for itself',
    ask: ['x.far.down.dev.internal'],
    status: 'NXDOMAIN',
    soa: 'far.down.dev.internal',
  },
  {
    say: 'no such name: NXDOMAIN with SOA (2308, 2.1)',
    ask: ['nobody.dev.internal'],
    status: 'NXDOMAIN',
    soa: 'dev.internal',
  },
  { say: 'below a name with addresses', ask: ['x.db.dev.internal'], status: 'NXDOMAIN', soa: 'dev.internal' },
  { say: 'the SOA of the zone', ask: ['dev.internal', 'SOA'], answers: soaOf('dev.internal') },
  { say: 'the NS of the zone', ask: ['dev.internal', 'NS'], answers: ['dev.internal 0 2 dev.internal'] },
  { say: 'the zone itself has no address', ask: ['dev.internal'], soa: 'dev.internal' },
  {
    say: 'a CNAME with what it leads to (1034, 4.3.2)',
    ask: ['www2.dev.internal'],
    answers: [
      'www2.dev.internal 0 5 www.dev.internal',
      'www.dev.internal 0 5 db.dev.internal',
      'db.dev.internal 0 1 10.0.0.7',
    ],
  },
  {
    say: 'a CNAME itself',
    ask: ['www.dev.internal', 'CNAME'],
    answers: ['www.dev.internal 0 5 db.dev.internal'],
  },
  {
    say: 'a CNAME without data of the type: the SOA too',
    ask: ['www.dev.internal', 'MX'],
    answers: ['www.dev.internal 0 5 db.dev.internal'],
    soa: 'dev.internal',
  },
  {
    say: 'a CNAME that leaves our zones',
    ask: ['away.dev.internal'],
    answers: ['away.dev.internal 0 5 www.example.com'],
  },
  {
    say: 'a CNAME of a name that is not there (2308, 2.1)',
    ask: ['lost.dev.internal'],
    status: 'NXDOMAIN',
    answers: ['lost.dev.internal 0 5 gone.dev.internal'],
    soa: 'dev.internal',
  },
  {
    say: 'the names of an address, in the order in which they came',
    ask: ['7.0.0.10.in-addr.arpa', 'PTR'],
    answers: ['7.0.0.10.in-addr.arpa 0 12 db.dev.internal', '7.0.0.10.in-addr.arpa 0 12 twin.dev.internal'],
  },
  {
    say: 'the name of an IPv6 address (3596, 2.5)',
    ask: [`7.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`, 'PTR'],
    answers: [`7.${'0.'.repeat(27)}0.0.d.f.ip6.arpa 0 12 db.dev.internal`],
  },
  {
    say: 'an address of ours without a name (6303)',
    ask: ['9.0.0.10.in-addr.arpa', 'PTR'],
    status: 'NXDOMAIN',
    soa: '0.10.in-addr.arpa',
  },
  { say: 'between an address and its zone', ask: ['0.0.10.in-addr.arpa', 'PTR'], soa: '0.10.in-addr.arpa' },
  {
    say: 'a subnet that ends within a label',
    ask: ['1.6.168.192.in-addr.arpa', 'PTR'],
    answers: ['1.6.168.192.in-addr.arpa 0 12 deep.below.dev.internal'],
  },
  { say: 'right beside it', ask: ['1.8.168.192.in-addr.arpa', 'PTR'], verdict: 'forward' },
  { say: 'somebody else’s private addresses', ask: ['1.0.1.10.in-addr.arpa', 'PTR'], verdict: 'forward' },
  { say: 'localhost is here (6761, 6.3)', ask: ['localhost'], answers: ['localhost 0 1 127.0.0.1'] },
  { say: 'and so is all below it', ask: ['a.b.localhost', 'AAAA'], answers: ['a.b.localhost 0 28 ::1'] },
  { say: 'localhost has nothing else', ask: ['localhost', 'MX'], soa: 'localhost' },
  {
    say: 'the name of 127.0.0.1',
    ask: ['1.0.0.127.in-addr.arpa', 'PTR'],
    answers: ['1.0.0.127.in-addr.arpa 0 12 localhost'],
  },
  {
    say: 'the name of ::1',
    ask: [`1.${'0.'.repeat(31)}ip6.arpa`, 'PTR'],
    answers: [`1.${'0.'.repeat(31)}ip6.arpa 0 12 localhost`],
  },
  { say: 'invalid (6761, 6.4)', ask: ['a.invalid'], status: 'NXDOMAIN', aa: false, soa: '' },
  { say: 'onion (7686)', ask: ['abc.onion'], status: 'NXDOMAIN', aa: false, soa: '' },
  { say: 'a single label that nobody knows', ask: ['postgres'], status: 'NXDOMAIN', aa: false, soa: '' },
  { say: 'everything else is asked elsewhere', ask: ['www.example.com'], verdict: 'forward' },
  { say: 'the root too', ask: ['.', 'NS'], verdict: 'forward' },
  { say: 'names under internal that are not ours', ask: ['metadata.google.internal'], verdict: 'forward' },
  {
    say: 'ANY: one small record (8482)',
    ask: ['db.dev.internal', 'ANY'],
    answers: ['db.dev.internal 0 13 \x07RFC8482\x00'],
  },
  { say: 'ANY of no name', ask: ['nobody.dev.internal', 'ANY'], status: 'NXDOMAIN', soa: 'dev.internal' },
  { say: 'a transfer', ask: ['dev.internal', 'AXFR'], status: 'REFUSED', aa: false },
  { say: 'a transfer of what changed', ask: ['dev.internal', 'IXFR'], status: 'REFUSED', aa: false },
  { say: 'class CH', ask: ['version.bind', 'TXT', { class: 3 }], status: 'REFUSED', aa: false },
  { say: 'class ANY', ask: ['db.dev.internal', 'A', { class: 255 }], status: 'REFUSED', aa: false },
  { say: 'a meta type', ask: ['db.dev.internal', 250], status: 'NOTIMP', aa: false },
  { say: 'OPT is no type to ask for', ask: ['db.dev.internal', 41], status: 'FORMERR', aa: false },

  {
    say: 'an alias is answered under its own name',
    ask: ['PostGres'],
    as: client,
    answers: ['PostGres 0 1 10.0.0.7'],
  },
  {
    say: 'an alias of a name of the world',
    ask: ['api.example.com'],
    as: client,
    answers: ['api.example.com 0 1 10.0.0.4', 'api.example.com 0 1 10.0.0.5'],
  },
  { say: 'an alias of a CNAME is flat', ask: ['web'], as: client, answers: ['web 0 1 10.0.0.7'] },
  {
    say: 'an alias without data of the type',
    ask: ['api.example.com', 'AAAA'],
    as: client,
    soa: 'api.example.com',
  },
  { say: 'an alias whose name is away', ask: ['absent'], as: client, status: 'NXDOMAIN', soa: 'absent' },
  {
    say: 'an alias of a CNAME that leaves our zones',
    ask: ['outside'],
    as: client,
    answers: ['outside 0 5 www.example.com'],
  },
  {
    say: 'ANY of an alias',
    ask: ['postgres', 'ANY'],
    as: client,
    answers: ['postgres 0 13 \x07RFC8482\x00'],
  },
  {
    say: 'the same name, somebody else',
    ask: ['postgres'],
    as: '10.0.0.10',
    status: 'NXDOMAIN',
    aa: false,
    soa: '',
  },
  {
    say: 'the same name of the world, somebody else',
    ask: ['api.example.com'],
    as: '10.0.0.10',
    verdict: 'forward',
  },
  {
    say: 'its zone is seen by a client with a view',
    ask: ['db.dev.internal'],
    as: client,
    answers: ['db.dev.internal 0 1 10.0.0.7'],
  },
]

t.test('questions, and what the RFCs want for them', async (t) => {
  for (const { say, ask: asked, as, status = 'NOERROR', aa = true, answers = [], soa, verdict } of cases) {
    const query = question(...asked)
    const found = ask(dns, query, as === undefined ? {} : { client: as })
    if (verdict !== undefined) {
      t.equal(found.verdict, verdict, say)
      continue
    }
    const answer = found.answer as Buffer
    const { rcode, aa: authoritative } = header(answer)
    t.same(
      {
        status: rcodeName(rcode),
        aa: authoritative,
        answers: records(answer, 'answers'),
        soa: records(answer, 'authorities'),
      },
      { status, aa, answers, soa: soa === undefined ? [] : soaOf(soa) },
      say,
    )
    const end = query.length
    t.equal(answer.compare(query, 12, end, 12, end), 0, `${say}: the question comes back as it was`)
  }
})

t.test('a circle of CNAMEs ends', async (t) => {
  const { answer } = ask(dns, question('round.dev.internal'))
  t.ok(header(answer as Buffer).answers <= 8)
  const alias = await createDnsServer({ zones: ['z'] })
  alias.zone('z').setCname('a', 'b')
  alias.zone('z').setCname('b', 'a')
  alias.views.set(client, { x: 'a' })
  t.equal(header(ask(alias, question('x'), { client }).answer as Buffer).answers, 0)
})

t.test('whatever exists is NOERROR for every type (aardvark-dns 679)', async (t) => {
  const meta = (type: number) => type === 0 || type === 41 || (type >= 128 && type < 255)
  for (const name of ['db', 'four', 'none', 'below', 'deep.below', 'www', '@']) {
    const full = name === '@' ? 'dev.internal' : `${name}.dev.internal`
    const wrong = Array.from({ length: 512 }, (_, type) => type).filter(
      (type) => !meta(type) && header(ask(dns, question(full, type)).answer as Buffer).rcode !== 0,
    )
    t.same(wrong, [], full)
  }
})

interface HeaderCase {
  say: string
  message: Buffer
  /** The expected header of the answer; `undefined` is silence. */
  want: Partial<ReturnType<typeof header>> | undefined
}

const name = 'db.dev.internal'
const soaRecord = Buffer.concat([wire('dev.internal'), Buffer.from('00060001000000000000', 'hex')])
const headers: HeaderCase[] = [
  {
    say: 'id and RD come back',
    message: question(name, 'A', { id: 0xfedc }),
    want: { id: 0xfedc, qr: true, rd: true, ra: true, rcode: 0 },
  },
  { say: 'no RD stays no RD', message: question(name, 'A', { flags: 0 }), want: { rd: false } },
  {
    say: 'CD is copied, AD is not ours to set (6840), Z is zero',
    message: question(name, 'A', { flags: 0x0170 }),
    want: { cd: true, ad: false, z: false, rcode: 0 },
  },
  { say: 'an answer is never answered', message: question(name, 'A', { flags: 0x8100 }), want: undefined },
  { say: 'less than a header', message: question(name).subarray(0, 11), want: undefined },
  { say: 'nothing', message: Buffer.alloc(0), want: undefined },
  {
    say: 'opcode NOTIFY',
    message: question(name, 'SOA', { flags: 0x2000 }),
    want: { rcode: 4, opcode: 4, questions: 0 },
  },
  { say: 'opcode UPDATE', message: question(name, 'SOA', { flags: 0x2800 }), want: { rcode: 4, opcode: 5 } },
  {
    say: 'opcode DSO (8490)',
    message: question(name, 'A', { flags: 0x3000, questions: 0 }),
    want: { rcode: 4, opcode: 6 },
  },
  {
    say: 'no question (9619)',
    message: question(name, 'A', { questions: 0 }),
    want: { rcode: 1, questions: 0 },
  },
  {
    say: 'two questions (9619)',
    message: question(name, 'A', { questions: 2 }),
    want: { rcode: 1, questions: 0 },
  },
  { say: '65,535 questions', message: question(name, 'A', { questions: 65535 }), want: { rcode: 1 } },
  {
    say: 'an answer in a query',
    message: question(name, 'A', { answers: 1, rest: [soaRecord], additionals: 0 }),
    want: { rcode: 1 },
  },
  {
    say: 'the SOA that IXFR brings (1995)',
    message: question('dev.internal', 'IXFR', { authorities: 1, rest: [soaRecord], additionals: 0 }),
    want: { rcode: 5 },
  },
  {
    say: 'a question that is cut off',
    message: question(name).subarray(0, 20),
    want: { rcode: 1, questions: 0, id: 0x1234 },
  },
  { say: 'a question without its class', message: question(name).subarray(0, -2), want: { rcode: 1 } },
  { say: 'a pointer in the question', message: question(Buffer.from('c00c', 'hex')), want: { rcode: 1 } },
  {
    say: 'a reserved kind of label',
    message: question(Buffer.concat([Buffer.of(0x40), wire('x')])),
    want: { rcode: 1 },
  },
  { say: 'a label of 63', message: question(`${'x'.repeat(63)}.dev.internal`), want: { rcode: 3 } },
  {
    say: 'a name of 255 octets',
    message: question(`${'x'.repeat(62)}.${'x.'.repeat(89)}dev.internal`),
    want: { rcode: 3, authorities: 1 },
  },
  {
    say: 'a name of 256 octets',
    message: question(`${'x'.repeat(63)}.${'x.'.repeat(89)}dev.internal`),
    want: { rcode: 1 },
  },
  {
    say: 'octets after the end',
    message: question(name, 'A', { rest: [Buffer.of(0)], additionals: 0 }),
    want: { rcode: 1 },
  },
  {
    say: 'a query of 5,000 octets',
    message: Buffer.concat([question(name), Buffer.alloc(5000)]),
    want: { rcode: 1 },
  },
  { say: 'no OPT without an OPT', message: question(name), want: { additionals: 0 } },
  {
    say: 'an OPT for an OPT (6891)',
    message: question(name, 'A', { rest: [opt()] }),
    want: { rcode: 0, answers: 1, additionals: 1 },
  },
  {
    say: 'in errors too',
    message: question(name, 'AXFR', { rest: [opt()] }),
    want: { rcode: 5, additionals: 1 },
  },
  { say: 'two OPT records', message: question(name, 'A', { rest: [opt(), opt()] }), want: { rcode: 1 } },
  {
    say: 'an OPT of somebody else than the root',
    message: question(name, 'A', { rest: [opt({ owner: wire('x') })] }),
    want: { rcode: 1 },
  },
  {
    say: 'an OPT that is cut off',
    message: question(name, 'A', { rest: [opt()] }).subarray(0, -1),
    want: { rcode: 1 },
  },
  {
    say: 'an option that is unknown',
    message: question(name, 'A', { rest: [opt({ options: Buffer.from('fde80002abcd', 'hex') })] }),
    want: { rcode: 0, answers: 1 },
  },
  {
    say: 'an option beyond its record',
    message: question(name, 'A', { rest: [opt({ options: Buffer.from('fde80009abcd', 'hex') })] }),
    want: { rcode: 1 },
  },
  {
    say: 'a cookie (7873)',
    message: question(name, 'A', {
      rest: [opt({ options: Buffer.from('000a00080102030405060708', 'hex') })],
    }),
    want: { rcode: 0 },
  },
  {
    say: 'a cookie of the wrong size',
    message: question(name, 'A', { rest: [opt({ options: Buffer.from('000a0003010203', 'hex') })] }),
    want: { rcode: 1 },
  },
  {
    say: 'a record that is not OPT in its place',
    message: question(name, 'A', { rest: [soaRecord, opt()] }),
    want: { rcode: 0, additionals: 1 },
  },
]

t.test('headers, and messages that are none', async (t) => {
  for (const { say, message, want } of headers) {
    const { answer } = ask(dns, message)
    if (want === undefined || answer === undefined) t.equal(answer, undefined, `${say}: silence`)
    else t.match(header(answer), want, say)
  }
})

t.test('EDNS: what our OPT record says', async (t) => {
  const optOf = (answer: Buffer | undefined) => {
    const at = (answer as Buffer).length - 11
    const record = (answer as Buffer).subarray(at)
    return {
      type: record.readUInt16BE(1),
      size: record.readUInt16BE(3),
      code: record[5],
      version: record[6],
      flags: record.readUInt16BE(7),
    }
  }
  t.same(optOf(ask(dns, question(name, 'A', { rest: [opt({ size: 4096 })] })).answer), {
    type: 41,
    size: 1232,
    code: 0,
    version: 0,
    flags: 0,
  })
  t.same(
    optOf(ask(dns, question(name, 'A', { rest: [opt({ flags: 0xffff })] })).answer),
    {
      type: 41,
      size: 1232,
      code: 0,
      version: 0,
      flags: 0x8000,
    },
    'DO comes back (3225), other flags do not',
  )
  const badVersion = ask(dns, question(name, 'A', { rest: [opt({ version: 1 })] })).answer
  t.match(header(badVersion as Buffer), { rcode: 0, answers: 0, authorities: 0 })
  t.same(optOf(badVersion), { type: 41, size: 1232, code: 1, version: 0, flags: 0 }, 'BADVERS is 16')
})

t.test('what does not fit is truncated, whole, with its OPT record (2181, 9; 6891, 7)', async (t) => {
  zone.set(
    'many',
    Array.from({ length: 100 }, (_, index) => `10.0.9.${index}`),
  )
  const asked = (size: number | undefined, transport: 'udp' | 'tcp' = 'udp') =>
    ask(dns, question('many.dev.internal', 'A', size === undefined ? {} : { rest: [opt({ size })] }), {
      transport,
    }).answer as Buffer
  t.match(header(asked(undefined)), { tc: true, answers: 0, additionals: 0, questions: 1 })
  t.match(header(asked(1232)), { tc: true, answers: 0, additionals: 1, questions: 1 })
  t.match(header(asked(65535)), { tc: true }, 'a client may take more than travels whole')
  t.match(header(asked(undefined, 'tcp')), { tc: false, answers: 100 })
  zone.set(
    'many',
    Array.from({ length: 29 }, (_, index) => `10.0.9.${index}`),
  )
  const whole = asked(undefined)
  t.match(header(whole), { tc: false, answers: 29 })
  t.ok(whole.length <= 512)
  zone.set(
    'many',
    Array.from({ length: 30 }, (_, index) => `10.0.9.${index}`),
  )
  t.match(header(asked(undefined)), { tc: true, answers: 0 })
  t.match(header(asked(100)), { tc: true }, 'less than 512 is 512')
  t.match(header(asked(600)), { tc: false, answers: 30 })
  zone.delete('many')
})

t.test('an answer can be written over its query', async (t) => {
  const message = question(name, 'A', { rest: [opt()] })
  const expected = ask(dns, message).answer
  const { newReply, respond } = await import('../../dns/index.ts')
  const shared = Buffer.alloc(1232)
  message.copy(shared)
  const reply = newReply(shared)
  respond(shared, message.length, { client: undefined, transport: 'udp' }, dns.knowledge, reply)
  t.same(shared.subarray(0, reply.length), expected)
})

t.test('clients without a view can be refused, with a reason (8914)', async (t) => {
  const strict = await createDnsServer({ zones: ['dev.internal'], unknownClients: 'refuse' })
  strict.zone('dev.internal').set('db', ['10.0.0.7'])
  strict.views.set(client, {})
  const rest = [opt()]
  const refused = ask(strict, question(name, 'A', { rest }), { client: '10.0.0.10' }).answer as Buffer
  t.equal(header(refused).rcode, 5)
  t.equal(refused.subarray(-6).toString('hex'), '000f00020012', 'Prohibited')
  t.equal(header(ask(strict, question(name), { client }).answer as Buffer).answers, 1)
  const elsewhere = ask(strict, question('www.example.com', 'A', { rest }), { client }).answer as Buffer
  t.match(header(elsewhere), { rcode: 5, ra: false })
  t.equal(elsewhere.subarray(-6).toString('hex'), '000f00020014', 'Not Authoritative')
})
