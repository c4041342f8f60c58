import { hashStart, hashStep, longestLabel, longestName } from './name.ts'
import { rcode } from './rcodes.ts'
import { recordTypes } from './record-types.ts'

/** RFC 1035, 4.1.1. The question's name always starts right behind it. */
export const headerSize = 12
/** The most octets of a query. A longer one is refused, as no honest query is. */
export const longestQuery = 4096
/** Octets that a client without EDNS takes over UDP (RFC 1035, 2.3.4). */
export const plainUdpSize = 512

/** Flags of a message (RFC 1035, 4.1.1; RFC 4035, 3). */
export const flag = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const
const opcodeMask = 0x7800

/**
 * A decoded query: numbers only, with offsets into its message. The object is created once and filled again for each
 * packet, so that decoding allocates nothing.
 */
export interface Query {
  flags: number
  /** The offset at which the question ends; `headerSize` if there is none that a reply could repeat. */
  questionEnd: number
  /** Octets of the question's name, its closing zero included. */
  nameLength: number
  labels: number
  hash: number
  type: number
  class: number
  /** True if there was an OPT record, whose fields follow (RFC 6891, 6.1.2). */
  edns: boolean
  udpSize: number
  dnssecOk: boolean
}

export function newQuery(): Query {
  return {
    flags: 0,
    questionEnd: headerSize,
    nameLength: 0,
    labels: 0,
    hash: 0,
    type: 0,
    class: 0,
    edns: false,
    udpSize: plainUdpSize,
    dnssecOk: false,
  }
}

/** An rcode, or `drop` for a message that must not be answered at all. */
export type Decoded = number | 'drop'

/**
 * The whole policy of early refusal: decodes a query of `size` octets, and returns the rcode with which it must be
 * refused, or NOERROR. Never reads past `size`, never follows a pointer, never throws.
 */
export function decodeQuery(message: Buffer, size: number, query: Query): Decoded {
  query.questionEnd = headerSize
  query.edns = false
  query.udpSize = plainUdpSize
  query.dnssecOk = false
  if (size < headerSize) return 'drop'
  const flags = get16(message, 2)
  query.flags = flags
  // Two servers that answer answers would talk for ever (CVE-2004-0789).
  if ((flags & flag.QR) !== 0) return 'drop'
  if ((flags & opcodeMask) !== 0) return rcode.NOTIMP
  // RFC 9619: one question. An IXFR query has an SOA record in its authority section (RFC 1995, 3), none has an answer.
  const additionals = get16(message, 10)
  if (get16(message, 4) !== 1 || get16(message, 6) !== 0) return rcode.FORMERR
  if (get16(message, 8) > 1 || additionals > 2 || size > longestQuery) return rcode.FORMERR
  if (!decodeQuestion(message, size, query)) return rcode.FORMERR
  let at = query.questionEnd
  if (get16(message, 8) === 1) at = skipRecord(message, size, at)
  let version = 0
  for (let index = 0; index < additionals && at !== bad; index++) {
    const head = skipName(message, size, at)
    const isOpt = head !== bad && head + 10 <= size && get16(message, head) === recordTypes.OPT.code
    const next = skipRecord(message, size, at)
    if (isOpt && next !== bad) {
      // RFC 6891, 6.1.1: a second one, or one that the root does not own, is a format error.
      if (query.edns || head !== at + 1) return rcode.FORMERR
      query.edns = true
      query.udpSize = Math.max(plainUdpSize, get16(message, head + 2))
      version = message[head + 5] as number
      query.dnssecOk = ((message[head + 6] as number) & 0x80) !== 0
      if (version === 0 && !validOptions(message, head + 10, next)) return rcode.FORMERR
    }
    at = next
  }
  if (at !== size) return rcode.FORMERR
  return version > 0 ? rcode.BADVERS : rcode.NOERROR
}

/** Reads 16 bits within the size of the message. Runs for every query: `readUInt16BE` would check its arguments. */
function get16(message: Buffer, at: number): number {
  return ((message[at] as number) << 8) | (message[at + 1] as number)
}

function decodeQuestion(message: Buffer, size: number, query: Query): boolean {
  let at = headerSize
  let hash = hashStart
  let labels = 0
  for (;;) {
    if (at >= size) return false
    const length = message[at] as number
    hash = hashStep(hash, length)
    at++
    if (length === 0) break
    // A pointer leads to an earlier name (RFC 1035, 4.1.4), and there is none before the question.
    if (length > longestLabel || at + length >= size || at + length - headerSize >= longestName) return false
    for (const end = at + length; at < end; at++) hash = hashStep(hash, message[at] as number)
    labels++
  }
  if (at + 4 > size) return false
  query.nameLength = at - headerSize
  query.labels = labels
  query.hash = hash
  query.type = get16(message, at)
  query.class = get16(message, at + 2)
  query.questionEnd = at + 4
  return true
}

const bad = -1

/** The offset at which a record's name ends. A pointer ends it, and is not followed. */
function skipName(message: Buffer, size: number, start: number): number {
  for (let at = start; at >= 0 && at < size; ) {
    const length = message[at] as number
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2 <= size && (get16(message, at) & 0x3fff) < start ? at + 2 : bad
    if (length > longestLabel || at - start > longestName) return bad
    at += length + 1
  }
  return bad
}

function skipRecord(message: Buffer, size: number, start: number): number {
  const head = skipName(message, size, start)
  if (head === bad || head + 10 > size) return bad
  const end = head + 10 + get16(message, head + 8)
  return end <= size ? end : bad
}

const cookie = 10

/** Checks that the options of an OPT record fill it exactly. Unknown ones are ignored (RFC 6891, 6.1.2). */
function validOptions(message: Buffer, start: number, end: number): boolean {
  let at = start
  while (at + 4 <= end) {
    const length = get16(message, at + 2)
    // RFC 7873, 5.2: a client's cookie has 8 octets, a server's 8 to 32 more.
    if (get16(message, at) === cookie && length !== 8 && (length < 16 || length > 40)) return false
    at += 4 + length
  }
  return at === end
}
