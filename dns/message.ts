import { classicLimit, type Rcode, rcodes, types, udpLimit } from './constants.ts'
import { lowerCase, nameBytes } from './name.ts'

/** The wire format: RFC 1035 section 4, RFC 6891 for EDNS. */

const headerLength = 12
const QR = 0x8000
const AA = 0x0400
const TC = 0x0200
const RD = 0x0100
const RA = 0x0080
const CD = 0x0010

/** A query that can be answered. */
export interface Query {
  id: number
  recursionDesired: boolean
  checkingDisabled: boolean
  /** The question's own bytes, which the answer repeats: case and all. */
  question: Buffer
  /** In lower case, without the final dot; a dot inside a label is written `\.`. */
  name: string
  type: number
  class: number
  /** What the client takes, if it speaks EDNS. */
  edns: { size: number; version: number } | undefined
}

export type Decoded =
  | { kind: 'query'; query: Query }
  /** To be refused: with what is known of it. */
  | { kind: 'error'; rcode: Rcode; id: number; opcode: number; recursionDesired: boolean }
  /** Not answered at all: a response, or less than a header. */
  | { kind: 'drop' }

/**
 * Decodes a query; never throws. A response is never answered, or two servers would talk for ever (CVE-2004-0789).
 */
export function decodeQuery(bytes: Buffer): Decoded {
  if (bytes.length < headerLength) return { kind: 'drop' }
  const flags = bytes.readUInt16BE(2)
  if ((flags & QR) !== 0) return { kind: 'drop' }
  const id = bytes.readUInt16BE(0)
  const opcode = (flags >> 11) & 15
  const error = (rcode: Rcode): Decoded => ({
    kind: 'error',
    rcode,
    id,
    opcode,
    recursionDesired: (flags & RD) !== 0,
  })
  if (opcode !== 0) return error('NOTIMP')
  // RFC 9619: one question; in a query there is nothing else but EDNS and signatures.
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at))
  if (questions !== 1 || answers !== 0 || authorities !== 0 || (additionals ?? 0) > 2) return error('FORMERR')
  const name = readName(bytes, headerLength)
  if (name === undefined || name.end + 4 > bytes.length) return error('FORMERR')
  const end = name.end + 4
  const edns = readEdns(bytes, end, additionals ?? 0)
  if (edns === 'malformed') return error('FORMERR')
  return {
    kind: 'query',
    query: {
      id,
      recursionDesired: (flags & RD) !== 0,
      checkingDisabled: (flags & CD) !== 0,
      question: Buffer.from(bytes.subarray(headerLength, end)),
      name: name.text,
      type: bytes.readUInt16BE(name.end),
      class: bytes.readUInt16BE(name.end + 2),
      edns,
    },
  }
}

/** A name of a question: it has nothing before it to point to, so compression is malformed. */
function readName(bytes: Buffer, start: number): { text: string; end: number } | undefined {
  const labels: string[] = []
  let at = start
  for (;;) {
    const length = bytes[at]
    if (length === undefined || length > 63 || at - start > 254) return undefined
    at += 1
    if (length === 0) return { text: lowerCase(labels.join('.')), end: at }
    if (at + length > bytes.length) return undefined
    // Escaped, so that a dot inside a label never makes two of it.
    labels.push(bytes.toString('latin1', at, at + length).replaceAll('.', '\\.'))
    at += length
  }
}

function readEdns(bytes: Buffer, start: number, count: number): Query['edns'] | 'malformed' {
  let found: Query['edns']
  let at = start
  for (let i = 0; i < count; i += 1) {
    // RFC 6891 section 6.1.2: the OPT record's owner is the root; other records (TSIG) are passed over.
    const name = readName(bytes, at)
    if (name === undefined || name.end + 10 > bytes.length) return 'malformed'
    const type = bytes.readUInt16BE(name.end)
    const length = bytes.readUInt16BE(name.end + 8)
    const next = name.end + 10 + length
    if (next > bytes.length) return 'malformed'
    if (type === types.OPT) {
      if (found !== undefined || name.text !== '') return 'malformed'
      if (!optionsAreSound(bytes.subarray(name.end + 10, next))) return 'malformed'
      found = {
        size: Math.max(classicLimit, bytes.readUInt16BE(name.end + 2)),
        version: bytes[name.end + 5] ?? 0,
      }
    }
    at = next
  }
  return found
}

/** Options are ignored, but their lengths must add up; a cookie has 8, or 16 to 40 octets (RFC 7873 section 5.2.2). */
function optionsAreSound(options: Buffer): boolean {
  const COOKIE = 10
  let at = 0
  while (at < options.length) {
    if (at + 4 > options.length) return false
    const length = options.readUInt16BE(at + 2)
    if (options.readUInt16BE(at) === COOKIE && length !== 8 && (length < 16 || length > 40)) return false
    at += 4 + length
  }
  return at === options.length
}

/** A record of an answer; without an owner it is the question's name. */
export interface AnswerRecord {
  owner?: string
  type: number
  ttl: number
  data: Buffer
}

export interface Answer {
  rcode: Rcode
  authoritative: boolean
  recursionAvailable: boolean
  answers: readonly AnswerRecord[]
  authorities: readonly AnswerRecord[]
}

/**
 * Encodes an answer to a query.
 *
 * @param limit - octets that it may have; more is cut to the header and question with TC set (RFC 2181 section 9)
 */
export function encodeAnswer(query: Query, answer: Answer, limit: number): Buffer {
  const { answers, authorities } = answer
  const records = [...answers, ...authorities].map(encodeRecord)
  const opt = query.edns ? [encodeOpt(answer.rcode)] : []
  const length = [query.question, ...records, ...opt].reduce((sum, { length }) => sum + length, headerLength)
  const fits = length <= limit
  const header = Buffer.alloc(headerLength)
  header.writeUInt16BE(query.id, 0)
  header.writeUInt16BE(
    QR |
      (answer.authoritative ? AA : 0) |
      (fits ? 0 : TC) |
      (query.recursionDesired ? RD : 0) |
      (answer.recursionAvailable ? RA : 0) |
      (query.checkingDisabled ? CD : 0) |
      (rcodes[answer.rcode] & 15),
    2,
  )
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(fits ? answers.length : 0, 6)
  header.writeUInt16BE(fits ? authorities.length : 0, 8)
  header.writeUInt16BE(opt.length, 10)
  return Buffer.concat([header, query.question, ...(fits ? records : []), ...opt])
}

/** What the client can take over UDP. */
export function udpLimitOf({ edns }: Query): number {
  return edns === undefined ? classicLimit : Math.min(edns.size, udpLimit)
}

/** An answer to what could not be understood: the header alone. */
export function encodeError({
  rcode,
  id,
  opcode,
  recursionDesired,
}: Extract<Decoded, { kind: 'error' }>): Buffer {
  const header = Buffer.alloc(headerLength)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(QR | (opcode << 11) | (recursionDesired ? RD : 0) | rcodes[rcode], 2)
  return header
}

/** A query of our own. */
export function encodeQuery(id: number, name: string, type: number): Buffer {
  const header = Buffer.alloc(headerLength)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(RD, 2)
  header.writeUInt16BE(1, 4)
  const rest = Buffer.alloc(4)
  rest.writeUInt16BE(type, 0)
  rest.writeUInt16BE(1, 2)
  return Buffer.concat([header, nameBytes(name), rest])
}

function encodeRecord({ owner, type, ttl, data }: AnswerRecord): Buffer {
  // 0xc00c points to the question's name.
  const name = owner === undefined ? Buffer.of(0xc0, headerLength) : nameBytes(owner)
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(ttl, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([name, fixed, data])
}

/** RFC 6891 section 6.1.3: the upper bits of the rcode, version 0, no flags. */
function encodeOpt(rcode: Rcode): Buffer {
  const opt = Buffer.alloc(11)
  opt.writeUInt16BE(types.OPT, 1)
  opt.writeUInt16BE(udpLimit, 3)
  opt.writeUInt8(rcodes[rcode] >> 4, 5)
  return opt
}
