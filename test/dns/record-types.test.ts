import { cpSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'
import { wireName } from '../../dns/wire/name.ts'
import { DataReader } from '../../dns/wire/record-data.ts'
import { dataText, type RecordType, recordTypes, typeCode, typeName } from '../../dns/wire/record-types.ts'
import { removeTree } from '../remove-tree.ts'
import { readDns2, readDnsPacket, readOurs } from './read.ts'
import { ask, header, question } from './wire.ts'

const root = join(import.meta.dirname, '../..')

interface Example {
  input: unknown
  text: string
  octets: string
}

/** For each type that has a format: a user's input, its text in a zone file, and its octets. */
const examples: Record<string, Example> = {
  A: { input: '10.0.0.7', text: '10.0.0.7', octets: '0a000007' },
  NS: { input: 'ns.b', text: 'ns.b', octets: '026e73016200' },
  CNAME: { input: 'b', text: 'b', octets: '016200' },
  SOA: {
    input: {
      primary: 'a',
      mailbox: 'h.a',
      serial: 4_294_967_295,
      refresh: 1,
      retry: 2,
      expire: 3,
      minimum: 0,
    },
    text: 'a h.a 4294967295 1 2 3 0',
    octets: '0161000168016100ffffffff00000001000000020000000300000000',
  },
  PTR: { input: 'b', text: 'b', octets: '016200' },
  HINFO: { input: { cpu: 'RFC8482', os: '' }, text: '"RFC8482" ""', octets: '075246433834383200' },
  MX: { input: { preference: 10, exchange: 'm' }, text: '10 m', octets: '000a016d00' },
  TXT: {
    input: ['one', '', 'zwölf "x"'],
    text: '"one" "" "zwölf \\"x\\""',
    octets: '036f6e65000a7a77c3b66c6620227822',
  },
  AAAA: { input: 'FD00:0::7', text: 'fd00::7', octets: 'fd000000000000000000000000000007' },
  SRV: {
    input: { target: 's', port: 65535, priority: 1, weight: 2 },
    text: '1 2 65535 s',
    octets: '00010002ffff017300',
  },
}

t.test('each type writes what a user gives, and reads it again', (t) => {
  const described = Object.entries(recordTypes as Readonly<Record<string, RecordType>>).filter(
    ([, { data }]) => data !== undefined,
  )
  t.same(
    described.map(([name]) => name),
    Object.keys(examples),
  )
  for (const [name, { code, data }] of described) {
    const { input, text, octets } = examples[name] as Example
    const written = data?.write(input as never, name, wireName) ?? Buffer.alloc(0)
    t.equal(written.toString('hex'), octets, `${name} as octets`)
    t.equal(dataText(code, new DataReader(written)), text, `${name} as text`)
    t.equal(typeName(typeCode(name.toLowerCase()) ?? 0), name)
    for (const wrong of [
      Buffer.alloc(0),
      written.subarray(0, -1),
      Buffer.concat([written, Buffer.of(0x40)]),
    ]) {
      t.throws(
        () => dataText(code, new DataReader(wrong)),
        { code: 'INVALID_ANSWER' },
        `${name} of ${wrong.length} octets in place of ${written.length}`,
      )
    }
  }
  t.equal(dataText(65280, new DataReader(Buffer.of(1, 255))), '\\# 2 01ff', 'RFC 3597, 5')
  t.end()
})

t.test('a name in data may be compressed, and ends with its record', (t) => {
  const message = Buffer.from('0161000362c000016300', 'hex')
  const pointer = (at: number) => Buffer.concat([message, Buffer.of(1, 0x62, 0xc0, at)])
  t.equal(dataText(5, new DataReader(pointer(0), message.length)), 'b.a')
  t.throws(() => dataText(5, new DataReader(pointer(0), message.length, message.length + 3)), {
    code: 'INVALID_ANSWER',
    message: /longer than its record/,
  })
  t.throws(() => dataText(5, new DataReader(pointer(12), message.length)), { message: /leads nowhere/ })
  t.end()
})

t.test('setRecords: any settable type, with the addresses of its hosts', async (t) => {
  await using dns = await createDnsServer({ zones: ['dev.internal'], ttl: 3 })
  const zone = dns.zone('dev.internal')
  zone.set('mail', ['10.0.0.7', 'fd00::7'])
  zone.setRecords('@', 'MX', [{ preference: 10, exchange: 'mail' }], { ttl: 60 })
  zone.setRecords('@', 'TXT', [['one', 'string'], ['another record']])
  const read = {
    answers: ['dev.internal. 60 MX 10 mail.dev.internal.'],
    authorities: [],
    additionals: ['mail.dev.internal. 3 A 10.0.0.7', 'mail.dev.internal. 3 AAAA fd00::7'],
  }
  const { answer } = ask(dns, question('dev.internal', 'MX'))
  t.same(readDns2(answer as Buffer), read)
  t.same(readDnsPacket(answer as Buffer), read)
  t.same(
    readOurs(answer as Buffer).additionals,
    read.additionals.map((line) => line.replace('. ', ' ')),
  )
  t.same([...zone.records()].map(({ name, type, ttl, data }) => `${name} ${ttl} ${type} ${data}`).slice(2), [
    'dev.internal 60 MX 10 mail.dev.internal',
    'dev.internal 3 TXT "one" "string"',
    'dev.internal 3 TXT "another record"',
  ])
  dns.views.set('10.0.0.9', {}, { only: ['@'] })
  const restricted = ask(dns, question('dev.internal', 'MX'), { client: '10.0.0.9' }).answer as Buffer
  t.same([header(restricted).answers, header(restricted).additionals], [1, 0], 'not of hidden names')
  zone.setRecords('@', 'MX', [])
  t.match(await dns.query('dev.internal', 'MX'), { status: 'NOERROR', answers: [] })
  t.match(await dns.query('dev.internal', 'TXT'), { answers: [{}, {}] }, 'others are as they were')
})

t.test('setRecords refuses what cannot be', async (t) => {
  await using dns = await createDnsServer({ zones: ['dev.internal'] })
  const zone = dns.zone('dev.internal')
  const set = zone.setRecords as (name: string, type: string, records: readonly unknown[]) => void
  for (const type of ['A', 'AAAA', 'SOA', 'NS', 'PTR', 'OPT', 'NAPTR', 'NONSENSE', 'TYPE99']) {
    t.throws(() => set('x', type, []), { name: 'DnsError', code: 'INVALID_TYPE' }, type)
  }
  const wrong: [type: string, records: unknown[], code: string][] = [
    ['MX', [{ preference: 65536, exchange: 'm' }], 'INVALID_RECORD'],
    ['MX', [{ exchange: 'm' }], 'INVALID_RECORD'],
    ['MX', [{ preference: 1 }], 'INVALID_NAME'],
    ['TXT', [[]], 'INVALID_RECORD'],
    ['TXT', [['x'.repeat(256)]], 'INVALID_RECORD'],
    ['CNAME', ['a', 'b'], 'CNAME_CONFLICT'],
  ]
  for (const [type, records, code] of wrong) {
    t.throws(() => set('x', type, records), { name: 'DnsError', code }, JSON.stringify(records))
  }
  zone.setRecords('www', 'CNAME', ['a'])
  t.throws(() => zone.setRecords('www', 'MX', [{ preference: 1, exchange: 'm' }]), { code: 'CNAME_CONFLICT' })
  t.same(
    [...zone.records()].map(({ name }) => name),
    ['www.dev.internal'],
  )
})

t.test('records that no answer can hold are refused, and nothing is changed', async (t) => {
  await using dns = await createDnsServer({ zones: ['dev.internal'] })
  const zone = dns.zone('dev.internal')
  zone.setText('x', ['before'])
  for (const count of [255, 256, 300]) {
    const strings = Array.from({ length: count }, () => 'x'.repeat(255))
    t.throws(
      () => zone.setText('x', strings),
      { code: 'INVALID_RECORD', message: /octets/ },
      `${count} strings`,
    )
  }
  t.match(await dns.query('x.dev.internal', 'TXT'), { answers: [{ data: '"before"' }] })
  zone.setText(
    'x',
    Array.from({ length: 254 }, () => 'x'.repeat(255)),
  )
  const { answer } = ask(dns, question('x.dev.internal', 'TXT'), { transport: 'tcp' })
  t.match(header(answer as Buffer), { tc: false, answers: 1 }, 'the largest that is taken is sent whole')
})

/** Types that the protocol itself treats in a special way, which other files may name. */
const protocolTypes: Record<string, string> = {
  A: 'addresses of names, which travel along',
  AAAA: 'the same',
  CNAME: 'is followed',
  PTR: 'is derived from addresses',
  SOA: 'is in every answer that says no',
  NS: 'is derived from the zone',
  HINFO: 'is the answer to ANY, and the question of the loop guard',
  OPT: 'is part of the message',
  ANY: 'is a question only',
  AXFR: 'is a question only',
  IXFR: 'is a question only',
}
/** Types that have a method of their own. */
const methods: Record<string, string[]> = { 'zones/zone.ts': ['TXT', 'SRV'] }

t.test('no other file knows a type but for the protocol’s sake', (t) => {
  const dns = join(root, 'dns')
  const files = readdirSync(dns, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dns, join(entry.parentPath, entry.name)))
    .filter((file) => file !== 'wire/record-types.ts')
  t.ok(files.length > 40)
  for (const file of files) {
    const code = readFileSync(join(dns, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    const named = Object.keys(recordTypes).filter((name) =>
      new RegExp(`recordTypes\\.${name}\\b|['"\`]${name}['"\`]`).test(code),
    )
    const unexpected = named.filter((name) => !(name in protocolTypes) && !methods[file]?.includes(name))
    t.same(unexpected, [], file)
  }
  t.end()
})

t.test('a new type is one entry: a copy of dns/ with NAPTR in its table', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-naptr-'))
  t.teardown(() => removeTree(directory))
  cpSync(join(root, 'dns'), join(directory, 'dns'), { recursive: true })
  cpSync(join(root, 'package.json'), join(directory, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  const table = join(directory, 'dns/wire/record-types.ts')
  const entry = `NAPTR: {
    code: 35,
    data: fields<any>({
      order: unsigned(2),
      preference: unsigned(2),
      flags: characterString,
      services: characterString,
      regexp: characterString,
      replacement: domainName,
    }),
    settable: true,
  },`
  const before = readFileSync(table, 'utf8')
  t.ok(before.includes('NAPTR: { code: 35 },'))
  writeFileSync(table, before.replace('NAPTR: { code: 35 },', entry))

  const door = (await import(join(directory, 'dns/index.ts'))) as typeof import('../../dns/index.ts')
  await using dns = await door.createDnsServer({ zones: ['dev.internal'] })
  const zone = dns.zone('dev.internal')
  const set = zone.setRecords as (name: string, type: string, records: readonly unknown[]) => void
  const record = {
    order: 100,
    preference: 10,
    flags: 'S',
    services: 'SIP+D2U',
    regexp: '',
    replacement: '_sip._udp',
  }
  set('sip', 'NAPTR', [record])
  const data = '100 10 "S" "SIP+D2U" "" _sip._udp.dev.internal'
  t.match((await dns.query('sip.dev.internal', 'NAPTR')).answers, [{ type: 'NAPTR', data }])
  t.match([...zone.records()], [{ name: 'sip.dev.internal', type: 'NAPTR', data }])
  const { answer } = ask(dns, question('sip.dev.internal', 'NAPTR'))
  t.ok(answer?.includes(Buffer.from('00640 00a0153075349502b44325500045f736970'.replace(' ', ''), 'hex')))
  t.throws(() => set('sip', 'NAPTR', [{ ...record, order: -1 }]), { code: 'INVALID_RECORD' })
})
