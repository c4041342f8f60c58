import {
  client,
  db,
  dbAnswer,
  edns,
  formerr,
  type Line,
  raw,
  record,
  soa,
  withOption,
} from './checklist-case.ts'
import { opt, question, wire } from './wire.ts'

/** The checklist of messages: headers, EDNS, refusals. */
export const messageLines: Line[] = [
  {
    rfc: 'RFC 4035, 3.1.6; RFC 6840, 5.7 and 5.9',
    does: 'AD and CD are accepted; CD is copied, AD is never set',
    cases: [
      {
        say: 'both',
        message: question(db, 'A', { flags: 0x0030 }),
        want: { rcode: 'NOERROR', cd: true, ad: false },
      },
    ],
  },
  {
    rfc: 'RFC 6891, 6.1.1 and 7',
    does: 'an OPT record is answered by one, in errors and truncated answers too; without one there is none; a second one is FORMERR',
    cases: [
      { say: 'none', message: question(db), want: { opt: 'none' } },
      {
        say: 'one',
        message: question(db, 'A', edns()),
        want: { opt: { size: 1232, version: 0, flags: 0, options: 0 } },
      },
      {
        say: 'in an error',
        message: question('dev.internal', 'AXFR', edns()),
        want: { rcode: 'REFUSED', opt: {} },
      },
      {
        say: 'when truncated',
        message: question('many.dev.internal', 'A', edns()),
        want: { tc: true, opt: {} },
      },
      { say: 'two', message: question(db, 'A', { rest: [opt(), opt()] }), want: formerr },
      { say: 'cut off', message: question(db, 'A', edns()).subarray(0, -1), want: formerr },
      { say: 'as a type', message: question(db, 41), want: formerr },
    ],
  },
  {
    rfc: 'RFC 6891, 6.1.2 to 6.2.5',
    does: 'its owner is the root; sizes below 512 are 512, ours is 1,232; unknown options and flags are ignored',
    cases: [
      { say: 'somebody else’s', message: question(db, 'A', edns({ owner: wire('x') })), want: formerr },
      {
        say: 'a size of 0',
        message: question('many.dev.internal', 'A', edns({ size: 0 })),
        want: { tc: true, opt: { size: 1232 } },
      },
      {
        say: 'a size of 65,535',
        message: question('many.dev.internal', 'A', edns({ size: 65535 })),
        want: { tc: true, longest: 1232 },
      },
      {
        say: 'an unknown option',
        message: withOption(65001, Buffer.from('x')),
        want: { answers: dbAnswer, opt: { options: 0 } },
      },
      {
        say: 'an option that is cut off',
        message: question(db, 'A', edns({ options: raw('fde9 0009 ab') })),
        want: formerr,
      },
      {
        say: 'unknown flags',
        message: question(db, 'A', edns({ flags: 0x7fff })),
        want: { answers: dbAnswer, opt: { flags: 0 } },
      },
      {
        say: 'DO comes back (RFC 3225, 3)',
        message: question(db, 'A', edns({ flags: 0x8000 })),
        want: { opt: { flags: 0x8000 } },
      },
    ],
  },
  {
    rfc: 'RFC 6891, 6.1.3',
    does: 'a version other than 0 is BADVERS, with our version',
    cases: [1, 255].map((version) => ({
      say: `version ${version}`,
      message: question(db, 'A', edns({ version })),
      want: { rcode: 'BADVERS', answers: [], opt: { version: 0 } },
    })),
  },
  {
    rfc: 'RFC 7828; RFC 7830; RFC 7871; RFC 5001; RFC 9567',
    does: 'keepalive over UDP, padding, client subnet, NSID and report channel are ignored, and not answered',
    cases: (
      [
        [11, raw('0064')],
        [12, Buffer.alloc(100)],
        [8, raw('0001 1800 0a0000')],
        [3, Buffer.alloc(0)],
        [18, raw('00')],
      ] as const
    ).map(([code, data]) => ({
      say: `option ${code}`,
      message: withOption(code, data),
      want: { answers: dbAnswer, opt: { options: 0 } },
    })),
  },
  {
    rfc: 'RFC 7873, 5.2; RFC 9018',
    does: 'cookies are ignored, as a server without them may; one of an impossible length is FORMERR',
    cases: [
      ...[8, 16, 24, 40].map((size) => ({
        say: `${size} octets`,
        message: withOption(10, Buffer.alloc(size)),
        want: { answers: dbAnswer, opt: { options: 0 } },
      })),
      ...[0, 7, 9, 15, 41].map((size) => ({
        say: `${size} octets`,
        message: withOption(10, Buffer.alloc(size)),
        want: formerr,
      })),
    ],
  },
  {
    rfc: 'RFC 8020',
    does: 'NXDOMAIN means that nothing is below: a name above one that exists is NODATA, for every type',
    cases: ['A', 'AAAA', 'TXT', 'SRV', 'HTTPS', 'MX'].map((type) => ({
      say: type,
      message: question('below.dev.internal', type),
      want: { rcode: 'NOERROR', answers: [] },
    })),
  },
  {
    rfc: 'RFC 8482, 4.2',
    does: 'ANY of a name that exists gets one HINFO record; for names of ours it is never forwarded',
    cases: [
      { say: 'of a name', message: question(db, 'ANY'), want: { answers: [`${db}. 0 HINFO "RFC8482" ""`] } },
      {
        say: 'of an alias',
        message: question('postgres', 'ANY'),
        as: client,
        want: { answers: ['postgres. 0 HINFO "RFC8482" ""'] },
      },
      { say: 'of no name', message: question('nobody.dev.internal', 'ANY'), want: { rcode: 'NXDOMAIN' } },
    ],
  },
  {
    rfc: 'RFC 5936; RFC 1995',
    does: 'transfers are REFUSED',
    cases: (['udp', 'tcp'] as const).flatMap((transport) =>
      ['AXFR', 'IXFR'].map((type) => ({
        say: `${type} over ${transport}`,
        message: question('dev.internal', type),
        transport,
        want: { rcode: 'REFUSED', answers: [] },
      })),
    ),
  },
  {
    rfc: 'RFC 1996; RFC 2136; RFC 8490; RFC 6895, 3.1',
    does: 'NOTIFY, UPDATE and DSO are NOTIMP; so are meta types; classes other than IN are REFUSED',
    cases: [
      ...[4, 5, 6].map((opcode) => ({
        say: `opcode ${opcode}`,
        message: question('dev.internal', 'SOA', { flags: opcode << 11 }),
        want: { rcode: 'NOTIMP', opcode },
      })),
      ...[128, 249, 250, 253, 254].map((type) => ({
        say: `type ${type}`,
        message: question(db, type),
        want: { rcode: 'NOTIMP' },
      })),
      ...[3, 4, 254, 255].map((number) => ({
        say: `class ${number}`,
        message: question('version.bind', 'TXT', { class: number }),
        want: { rcode: 'REFUSED' },
      })),
    ],
  },
  {
    rfc: 'RFC 8767',
    does: 'nothing stale is served: a name that was deleted does not exist',
    cases: [
      { say: 'a name that was there', message: question('taken.dev.internal'), want: { rcode: 'NXDOMAIN' } },
    ],
  },
  {
    rfc: 'RFC 8914',
    does: 'reasons: 18 for clients that may not ask; 20 for names that no upstream is asked for; 22 if no upstream answers (see RFC 5452)',
    cases: [
      {
        say: 'the outside, kept from a view',
        message: question('www.example.com', 'A', edns()),
        as: '10.0.0.98',
        want: { rcode: 'REFUSED', opt: { reason: 18 } },
      },
      {
        say: 'a domain that is asked nowhere',
        message: question('a.nowhere.example.com', 'A', edns()),
        want: { rcode: 'REFUSED', opt: { reason: 20 } },
      },
    ],
  },
  {
    rfc: 'RFC 8906, 3 and 8',
    does: 'every query is answered, whatever is wrong with it; an answer, or less than a header, never is',
    cases: [
      { say: 'an answer', message: question(db, 'A', { flags: 0x8000 }), want: { what: 'silence' } },
      { say: '11 octets', message: question(db).subarray(0, 11), want: { what: 'silence' } },
      { say: 'nothing', message: Buffer.alloc(0), want: { what: 'silence' } },
      {
        say: 'a header alone',
        message: question(db).subarray(0, 12),
        want: { rcode: 'FORMERR', id: 0x1234 },
      },
      {
        say: 'half a question',
        message: question(db).subarray(0, 20),
        want: { rcode: 'FORMERR', id: 0x1234 },
      },
      { say: 'octets after the end', message: Buffer.concat([question(db), Buffer.of(0)]), want: formerr },
      { say: 'an answer section', message: question(db, 'A', { answers: 1 }), want: formerr },
      { say: '5,000 octets', message: Buffer.concat([question(db), Buffer.alloc(5000)]), want: formerr },
    ],
  },
  {
    rfc: 'RFC 9619',
    does: 'a query has one question: none, two or 65,535 are FORMERR',
    cases: [0, 2, 65535].map((questions) => ({
      say: `${questions}`,
      message: question(db, 'A', { questions }),
      want: formerr,
    })),
  },
  {
    rfc: 'RFC 9460',
    does: 'HTTPS and SVCB of a name that exists are NODATA',
    cases: ['HTTPS', 'SVCB'].flatMap((type) => [
      {
        say: `${type} of a name`,
        message: question(db, type),
        want: { rcode: 'NOERROR', answers: [], authorities: soa('dev.internal') },
      },
      {
        say: `${type} of an alias`,
        message: question('postgres', type),
        as: client,
        want: { rcode: 'NOERROR', answers: [], authorities: soa('postgres') },
      },
    ]),
  },
  {
    rfc: 'RFC 8945',
    does: 'there are no keys: a TSIG record is ignored, and the answer has none',
    cases: [
      {
        say: 'TSIG',
        message: question(db, 'A', { rest: [record(wire('key'), 250, Buffer.alloc(20))] }),
        want: { answers: dbAnswer, additionals: [] },
      },
    ],
  },
  {
    rfc: 'names: internal, single labels',
    does: 'in `internal` we own only our zone; single labels are answered here or not at all',
    cases: [
      ...['metadata.google.internal', 'host.docker.internal', 'internal.example.com'].map((name) => ({
        say: name,
        message: question(name),
        want: { what: 'forward' as const },
      })),
      { say: 'a single label', message: question('postgres'), want: { rcode: 'NXDOMAIN', aa: false } },
      {
        say: 'which is an alias',
        message: question('postgres'),
        as: client,
        want: { rcode: 'NOERROR', aa: true, answers: ['postgres. 0 A 10.0.0.7'] },
      },
    ],
  },
]
