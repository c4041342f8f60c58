import { execFile } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'
import { rcodeName } from '../../dns/wire/rcodes.ts'
import { typeName } from '../../dns/wire/record-types.ts'
import { removeTree } from '../remove-tree.ts'
import { udpClient } from './clients.ts'
import { corpusNames, corpusReverse, corpusTypes, corpusZones, fillCorpus } from './corpus.ts'
import { readDig, readDns2, readDnsPacket } from './read.ts'
import { header, opt, question } from './wire.ts'

const run = promisify(execFile)

t.test('dns2, dns-packet and dig read the same in every answer', async (t) => {
  await using dns = await createDnsServer({
    zones: corpusZones,
    reverse: corpusReverse,
    listen: [{ address: '127.0.0.1', port: 0 }],
  })
  fillCorpus(dns)
  const port = dns.addresses[0]?.port ?? 0
  const extra = ['localhost', 'a.invalid', 'single', 'www.example.com']
  const asked = [...corpusNames, ...extra].flatMap((name) =>
    [...corpusTypes, 'ANY'].map((type) => ({ name, type: typeof type === 'number' ? typeName(type) : type })),
  )

  const directory = mkdtempSync(join(tmpdir(), 'moorage-dig-'))
  t.teardown(() => removeTree(directory))
  const batch = join(directory, 'batch')
  writeFileSync(batch, asked.map(({ name, type }) => `${name} ${type}\n`).join(''))
  const { stdout } = await run(
    'dig',
    [
      ...['@127.0.0.1', '-p', String(port), '+noall', '+comments', '+answer', '+authority', '+additional'],
      ...['+norecurse', '+ignore', '+tries=1', '-f', batch],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  )
  t.notMatch(stdout, /WARNING|malformed|mismatch|extra/i)
  const dug = stdout.split(/(?=;; Got answer:)/).filter((part) => part.startsWith(';; Got'))
  t.equal(dug.length, asked.length, `dig has an answer to all ${asked.length} questions`)

  using client = await udpClient(port)
  for (const [id, { name, type }] of asked.entries()) {
    client.send(question(name, type, { id, flags: 0, rest: [opt()] }))
    await client.received(id + 1)
  }
  let records = 0
  for (const [id, answer] of client.answers.entries()) {
    const what = `${asked[id]?.name} ${asked[id]?.type}`
    const read = readDns2(answer)
    records += read.answers.length + read.authorities.length + read.additionals.length
    const { status, flags, ...byDig } = readDig(dug[id] ?? '')
    const { rcode, aa, tc } = header(answer)
    const same =
      JSON.stringify(read) === JSON.stringify(readDnsPacket(answer)) &&
      JSON.stringify(read) === JSON.stringify(byDig) &&
      status === rcodeName(rcode) &&
      flags === `qr${aa ? ' aa' : ''}${tc ? ' tc' : ''}`
    if (same) continue
    t.same(
      [read, status, flags],
      [readDnsPacket(answer), rcodeName(rcode), ''],
      `${what}: dns2 and dns-packet`,
    )
    t.same(read, byDig, `${what}: dns2 and dig`)
  }
  t.ok(records > asked.length, `${records} records were read three times`)
})
