import {
  client,
  db,
  dbAnswer,
  edns,
  formerr,
  type Line,
  nibbles,
  raw,
  record,
  soa,
} from './checklist-case.ts'
import { opt, question } from './wire.ts'

/** The checklist of names and records. */
export const nameLines: Line[] = [
  {
    rfc: 'RFC 1034, 4.3.2',
    does: 'the zone is the longest that the name ends with; an empty non-terminal is NODATA; a CNAME is followed inside the zones, then the client goes on',
    cases: [
      {
        say: 'the outer zone',
        message: question('x.dev.internal'),
        want: { rcode: 'NXDOMAIN', authorities: soa('dev.internal') },
      },
      {
        say: 'the inner zone',
        message: question('y.far.down.dev.internal'),
        want: { rcode: 'NXDOMAIN', authorities: soa('far.down.dev.internal') },
      },
      {
        say: 'an empty non-terminal',
        message: question('below.dev.internal'),
        want: { rcode: 'NOERROR', answers: [], authorities: soa('dev.internal') },
      },
      {
        say: 'above an inner zone',
        message: question('down.dev.internal'),
        want: { rcode: 'NOERROR', answers: [], authorities: soa('dev.internal') },
      },
      {
        say: 'a chain',
        message: question('www2.dev.internal'),
        want: {
          answers: [
            'www2.dev.internal. 0 CNAME www.dev.internal.',
            `www.dev.internal. 30 CNAME ${db}.`,
            ...dbAnswer,
          ],
        },
      },
      {
        say: 'out of the zones',
        message: question('away.dev.internal'),
        want: { rcode: 'NOERROR', answers: ['away.dev.internal. 0 CNAME www.example.com.'] },
      },
    ],
  },
  {
    rfc: 'RFC 1035, 4.1.1',
    does: 'id, opcode, RD and question are copied, QR is 1, Z is 0; an unknown opcode is NOTIMP',
    cases: [
      {
        say: 'id and RD',
        message: question(db, 'A', { id: 0xfedc }),
        want: { id: 0xfedc, rd: true, z: false, opcode: 0 },
      },
      { say: 'no RD, but Z', message: question(db, 'A', { flags: 0x0040 }), want: { rd: false, z: false } },
      ...[1, 2, 3, 7, 15].map((opcode) => ({
        say: `opcode ${opcode}`,
        message: question(db, 'A', { flags: opcode << 11 }),
        want: { rcode: 'NOTIMP', opcode },
      })),
    ],
  },
  {
    rfc: 'RFC 1035, 2.3.4',
    does: 'labels have at most 63 octets, names 255, datagrams 512 for clients without EDNS',
    cases: [
      {
        say: 'a label of 63',
        message: question(`${'x'.repeat(63)}.dev.internal`),
        want: { rcode: 'NXDOMAIN' },
      },
      { say: 'a label of 64', message: question(raw(`40 ${'78'.repeat(64)} 00`)), want: formerr },
      {
        say: 'a name of 255',
        message: question(`${'x'.repeat(62)}.${'x.'.repeat(89)}dev.internal`),
        want: { rcode: 'NXDOMAIN', longest: 512 },
      },
      {
        say: 'a name of 256',
        message: question(`${'x'.repeat(63)}.${'x.'.repeat(89)}dev.internal`),
        want: formerr,
      },
      {
        say: 'more than 512',
        message: question('many.dev.internal'),
        want: { tc: true, answers: [], longest: 512 },
      },
    ],
  },
  {
    rfc: 'RFC 1035, 4.1.4',
    does: 'pointers lead backwards only, and there is nothing before a question',
    cases: [
      { say: 'to itself', message: question(raw('c00c')), want: formerr },
      { say: 'forwards', message: question(raw('01 78 c0 20')), want: formerr },
      { say: 'into the header', message: question(raw('c000')), want: formerr },
      {
        say: 'in a second record, to the question',
        message: question(db, 'A', { rest: [record(raw('c00c'), 1), opt()] }),
        want: { rcode: 'NOERROR', opt: {} },
      },
      {
        say: 'in a second record, forwards',
        message: question(db, 'A', { rest: [record(raw('c0ff'), 1)] }),
        want: formerr,
      },
    ],
  },
  {
    rfc: 'RFC 1035, 3.3.14; RFC 2181, 8 and 5.2',
    does: 'strings of TXT have at most 255 octets; TTLs are 0 to 2^31-1, the same for all records of a set',
    cases: [
      {
        say: 'the longest string and TTL',
        message: question('text.dev.internal', 'TXT'),
        want: { answers: [`text.dev.internal. 2147483647 TXT "${'x'.repeat(255)}"`] },
      },
      {
        say: 'several strings',
        message: question(db, 'TXT'),
        want: { answers: [`${db}. 0 TXT "one" "two words"`] },
      },
      {
        say: 'one TTL',
        message: question('four.dev.internal'),
        want: { answers: ['four.dev.internal. 60 A 10.0.0.4', 'four.dev.internal. 60 A 10.0.0.5'] },
      },
    ],
  },
  {
    rfc: 'RFC 2181, 5.4.1 and 9',
    does: 'answers from our zones are authoritative; TC is set only if a necessary set did not fit, and no part of it is sent',
    cases: [
      { say: 'authoritative', message: question(db), want: { aa: true, tc: false } },
      {
        say: 'a set that does not fit',
        message: question('many.dev.internal', 'A', edns({ size: 4096 })),
        want: { aa: true, tc: true, answers: [], opt: {} },
      },
      {
        say: 'over TCP it does',
        message: question('many.dev.internal'),
        transport: 'tcp',
        want: { tc: false, longest: 65535 },
      },
    ],
  },
  {
    rfc: 'RFC 2308, 2.1 and 2.2',
    does: 'NXDOMAIN and NODATA carry the SOA of the zone, with a TTL that is its minimum: 0 unless set',
    cases: [
      {
        say: 'NXDOMAIN',
        message: question('nobody.dev.internal'),
        want: { rcode: 'NXDOMAIN', aa: true, answers: [], authorities: soa('dev.internal') },
      },
      {
        say: 'NODATA',
        message: question(db, 'MX'),
        want: { rcode: 'NOERROR', aa: true, answers: [], authorities: soa('dev.internal') },
      },
      {
        say: 'a CNAME of no name',
        message: question('lost.dev.internal'),
        want: {
          rcode: 'NXDOMAIN',
          answers: ['lost.dev.internal. 0 CNAME gone.dev.internal.'],
          authorities: soa('dev.internal'),
        },
      },
      {
        say: 'a CNAME without data',
        message: question('www.dev.internal', 'MX'),
        want: {
          rcode: 'NOERROR',
          answers: [`www.dev.internal. 30 CNAME ${db}.`],
          authorities: soa('dev.internal'),
        },
      },
    ],
  },
  {
    rfc: 'RFC 2782',
    does: 'the target of SRV is not compressed, `.` says that there is none, and addresses of targets are added',
    cases: [
      {
        say: 'targets with their addresses',
        message: question('_pg._tcp.dev.internal', 'SRV'),
        want: {
          answers: [
            '1 2 5432 db.dev.internal.',
            '0 0 5432 six.dev.internal.',
            '0 0 5432 pg.example.com.',
          ].map((data) => `_pg._tcp.dev.internal. 0 SRV ${data}`),
          additionals: [...dbAnswer, `${db}. 0 AAAA fd00::7`, 'six.dev.internal. 0 AAAA fd00::6'],
        },
      },
      {
        say: 'none',
        message: question('_none._tcp.dev.internal', 'SRV'),
        want: { answers: ['_none._tcp.dev.internal. 0 SRV 0 0 0 .'], additionals: [] },
      },
    ],
  },
  {
    rfc: 'RFC 3596',
    does: 'AAAA, and the reverse names of IPv6 by nibbles under ip6.arpa',
    cases: [
      { say: 'AAAA', message: question(db, 'AAAA'), want: { answers: [`${db}. 0 AAAA fd00::7`] } },
      {
        say: 'nibbles',
        message: question(nibbles('7'), 'PTR'),
        want: { answers: [`${nibbles('7')}. 0 PTR ${db}.`] },
      },
      {
        say: 'AAAA of a name with A alone',
        message: question('four.dev.internal', 'AAAA'),
        want: { rcode: 'NOERROR', answers: [], authorities: soa('dev.internal') },
      },
    ],
  },
  {
    rfc: 'RFC 3597',
    does: 'unknown types are NODATA in our zones, and are forwarded unchanged for other names',
    cases: [
      {
        say: 'in a zone',
        message: question(db, 65280),
        want: { rcode: 'NOERROR', answers: [], authorities: soa('dev.internal') },
      },
      { say: 'elsewhere', message: question('www.example.com', 65280), want: { what: 'forward' } },
    ],
  },
  {
    rfc: 'RFC 4343',
    does: 'the case of A to Z, and of no other letter, is ignored, and kept in question and owner',
    cases: [
      {
        say: 'kept',
        message: question('dB.DEV.inTERnal'),
        want: { answers: ['dB.DEV.inTERnal. 0 A 10.0.0.7'] },
      },
      {
        say: 'an alias too',
        message: question('PostGres'),
        as: client,
        want: { answers: ['PostGres. 0 A 10.0.0.7'] },
      },
      { say: '[ is no {', message: question('[.dev.internal'), want: { rcode: 'NXDOMAIN' } },
    ],
  },
  {
    rfc: 'RFC 4592',
    does: 'there are no wildcards: `*` is a label like any other',
    cases: [
      { say: 'a star', message: question('*.dev.internal'), want: { rcode: 'NXDOMAIN' } },
      { say: 'below a name that exists', message: question(`x.${db}`), want: { rcode: 'NXDOMAIN' } },
    ],
  },
  {
    rfc: 'RFC 6303',
    does: 'reverse names of our own subnets are answered here, all others are forwarded',
    cases: [
      {
        say: 'ours',
        message: question('7.0.0.10.in-addr.arpa', 'PTR'),
        want: { aa: true, answers: [`7.0.0.10.in-addr.arpa. 0 PTR ${db}.`] },
      },
      {
        say: 'ours, without a name',
        message: question('8.0.0.10.in-addr.arpa', 'PTR'),
        want: { rcode: 'NXDOMAIN', authorities: soa('0.10.in-addr.arpa') },
      },
      {
        say: 'other private ones',
        message: question('1.0.1.10.in-addr.arpa', 'PTR'),
        want: { what: 'forward' },
      },
    ],
  },
  {
    rfc: 'RFC 6761, 6.2 to 6.4; RFC 7686; RFC 6762',
    does: 'localhost is this machine; invalid, test and onion are never forwarded; local is not special',
    cases: [
      { say: 'localhost', message: question('localhost'), want: { answers: ['localhost. 0 A 127.0.0.1'] } },
      {
        say: 'below it',
        message: question('a.localhost', 'AAAA'),
        want: { answers: ['a.localhost. 0 AAAA ::1'] },
      },
      {
        say: '127.0.0.1',
        message: question('1.0.0.127.in-addr.arpa', 'PTR'),
        want: { answers: ['1.0.0.127.in-addr.arpa. 0 PTR localhost.'] },
      },
      ...['invalid', 'test', 'onion'].map((name) => ({
        say: name,
        message: question(`a.${name}`),
        want: { rcode: 'NXDOMAIN', aa: false },
      })),
      { say: 'local', message: question('printer.local'), want: { what: 'forward' } },
    ],
  },
]
