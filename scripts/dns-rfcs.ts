/** Writes docs/dns-rfcs.md from the tests of conformance. Usage: node scripts/dns-rfcs.ts */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageLines } from '../test/dns/checklist-messages.ts'
import { nameLines } from '../test/dns/checklist-names.ts'
import { socketLines } from '../test/dns/checklist-sockets.ts'

export const rfcDocsPath = join(import.meta.dirname, '../docs/dns-rfcs.md')

/** The page: a row for each line of the checklist. */
export function rfcDocs(): string {
  const rows = [
    ...[...nameLines, ...messageLines].map(({ rfc, does, cases }) => [
      rfc,
      does,
      cases.length === 1 ? '1 case' : `${cases.length} cases`,
    ]),
    ...socketLines.map(({ rfc, does }) => [rfc, does, 'on sockets']),
  ]
  return [
    '# The RFCs that the DNS server implements',
    '',
    'Each row is a test of `test/dns/checklist.test.ts`, which has the section in its title. `test/dns/knot.test.ts` asks',
    'the same questions of Knot DNS, and lists every difference with its reason. This page is written by',
    '`node scripts/dns-rfcs.ts` from those tests.',
    '',
    '| section | what is done | shown by |',
    '|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    'Left out on purpose: DNSSEC, zone transfers, dynamic updates, wildcards, TSIG, serving stale records.',
    '',
  ].join('\n')
}

if (import.meta.main) writeFileSync(rfcDocsPath, rfcDocs())
