import { readFileSync } from 'node:fs'
import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'
import { rcodeName } from '../../dns/wire/rcodes.ts'
import { rfcDocs, rfcDocsPath } from '../../scripts/dns-rfcs.ts'
import type { Case } from './checklist-case.ts'
import { client } from './checklist-case.ts'
import { messageLines } from './checklist-messages.ts'
import { nameLines } from './checklist-names.ts'
import { socketLines } from './checklist-sockets.ts'
import { corpusReverse, corpusZones, fillCorpus } from './corpus.ts'
import { optOf, readDns2, readDnsPacket } from './read.ts'
import { ask, header } from './wire.ts'

const dns = await createDnsServer({
  zones: corpusZones,
  reverse: corpusReverse,
  upstreams: ['127.0.0.1:1'],
  routes: { 'nowhere.example.com': 'none' },
})
fillCorpus(dns)
dns.zone('dev.internal').set('taken', ['10.0.3.1'])
dns.zone('dev.internal').delete('taken')
dns.views.set(client, { postgres: 'db' })
dns.views.set('10.0.0.98', {}, { outside: false })
t.teardown(() => dns.close())

/** The answer to a case, in the form of its expectation. Of an SOA record, only owner and TTL count. */
function answerTo({ message, as, transport = 'udp' }: Case): Record<string, unknown> {
  const { verdict, answer } = ask(dns, message, { transport, ...(as === undefined ? {} : { client: as }) })
  if (answer === undefined) return { what: verdict === 'forward' ? 'forward' : 'silence' }
  const read = readDns2(answer)
  t.same(readDnsPacket(answer), read, 'read alike by dns2 and dns-packet')
  const { rcode, ...flags } = header(answer)
  const found = optOf(answer)
  return {
    ...flags,
    what: 'answer',
    rcode: rcodeName(rcode + (found?.rcode ?? 0) * 16),
    answers: read.answers,
    authorities: read.authorities.map((line) => line.replace(/ SOA .*/, ' SOA')),
    additionals: read.additionals,
    opt: found ?? 'none',
    size: answer.length,
  }
}

for (const { rfc, does, cases } of [...nameLines, ...messageLines]) {
  t.test(`${rfc}: ${does}`, async (t) => {
    t.ok(cases.length > 0)
    for (const testCase of cases) {
      const { longest, ...want } = { what: 'answer', ...testCase.want }
      const { size, ...found } = answerTo(testCase)
      const compared = Object.fromEntries(Object.keys(want).map((field) => [field, found[field]]))
      // Only the expected fields of the OPT record are compared.
      if (typeof want.opt === 'object' && typeof found.opt === 'object')
        t.match(found.opt, want.opt, testCase.say)
      const { opt: expectedOpt, ...expected } = want
      const { opt: foundOpt, ...actual } = compared
      t.same(actual, expected, testCase.say)
      if (expectedOpt !== undefined)
        t.equal(typeof foundOpt, typeof expectedOpt, `${testCase.say}: an OPT record`)
      if (longest !== undefined) t.ok((size as number) <= longest, `${testCase.say}: ${size} octets`)
      if (found.questions !== 1) continue
      const { answer } = ask(dns, testCase.message, testCase.as === undefined ? {} : { client: testCase.as })
      let end = 12
      while (testCase.message[end] !== 0) end += (testCase.message[end] ?? 0) + 1
      t.equal(
        answer?.compare(testCase.message, 12, end + 5, 12, end + 5),
        0,
        `${testCase.say}: the question as it was`,
      )
    }
  })
}

for (const { rfc, does, show } of socketLines) t.test(`${rfc}: ${does}`, (t) => show(t))

t.test('docs/dns-rfcs.md is this list', async (t) => {
  t.equal(readFileSync(rfcDocsPath, 'utf8'), rfcDocs(), 'else: node scripts/dns-rfcs.ts')
})
