import { flag, headerSize, newQuery, type Query } from './decode-query.ts'
import type { KeptReplies } from './kept-replies.ts'
import { extendedError } from './rcodes.ts'
import { type RecordSet, recordHead } from './record-set.ts'
import { recordTypes } from './record-types.ts'
import {
  extendedErrorSize,
  fits,
  hasRoom,
  longestMessage,
  optSize,
  type ReplySize,
  truncate,
} from './truncation.ts'

/**
 * A reply while it is written. It is used for one query after the other. Its buffer may be the query's own, since
 * header and question stay in their places. Records that do not fit set `overflow`; nothing is written past `limit`.
 */
export interface Reply extends ReplySize {
  readonly buffer: Buffer
  /** The query that it replies to, decoded. */
  readonly query: Query
  /** The name, in wire form, at which a chain of CNAMEs leaves our zones; `undefined` for all other replies. */
  outside: Buffer | undefined
}

export function newReply(buffer: Buffer = Buffer.alloc(longestMessage)): Reply {
  return {
    buffer,
    query: newQuery(),
    outside: undefined,
    length: 0,
    limit: 0,
    answers: 0,
    authorities: 0,
    additionals: 0,
    overflow: false,
  }
}

/** Copies the question, and keeps room for the OPT record. */
export function startReply(reply: Reply, message: Buffer, limit: number): void {
  const { buffer, query } = reply
  if (buffer !== message) message.copy(buffer, 0, 0, query.questionEnd)
  reply.length = query.questionEnd
  reply.limit = Math.min(limit, buffer.length) - (query.edns ? optSize + extendedErrorSize : 0)
  reply.answers = 0
  reply.authorities = 0
  reply.additionals = 0
  reply.overflow = false
  reply.outside = undefined
}

/** Writes header and OPT record. `code` may have the upper bits that only an OPT record can carry. */
export function finishReply(
  reply: Reply,
  flags: number,
  code: number,
  udpSize: number,
  reason: number,
): void {
  const { buffer, query } = reply
  const extra = flags | truncate(reply, query)
  // Opcode, RD and CD are the query's; AD and Z are never ours to set (RFC 6840, 5.7).
  put16(buffer, 2, flag.QR | (query.flags & (0x7800 | flag.RD | flag.CD)) | extra | (code & 0xf))
  put16(buffer, 4, query.questionEnd > headerSize ? 1 : 0)
  put16(buffer, 6, reply.answers)
  put16(buffer, 8, reply.authorities)
  put16(buffer, 10, reply.additionals + (query.edns ? 1 : 0))
  if (query.edns) writeOpt(reply, code, udpSize, reason)
}

/** Runs for every reply: `writeUInt16BE` would check its arguments. */
function put16(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >> 8
  buffer[at + 1] = value
}

/** Answers an OPT record by an OPT record, in errors and truncated replies too (RFC 6891, 7). */
function writeOpt(reply: Reply, code: number, udpSize: number, reason: number): void {
  const { buffer, query } = reply
  const at = reply.length
  const explained = reason !== extendedError.none
  buffer[at] = 0
  put16(buffer, at + 1, recordTypes.OPT.code)
  put16(buffer, at + 3, udpSize)
  buffer[at + 5] = code >> 4
  buffer[at + 6] = 0
  // RFC 3225, 3: DO is repeated. No other flag is defined.
  put16(buffer, at + 7, query.dnssecOk ? 0x8000 : 0)
  put16(buffer, at + 9, explained ? extendedErrorSize : 0)
  reply.length = at + optSize
  if (!explained) return
  // RFC 8914, 2: option 15, its length, the code, no text.
  buffer.writeUInt16BE(15, at + 11)
  buffer.writeUInt16BE(2, at + 13)
  buffer.writeUInt16BE(reason, at + 15)
  reply.length += extendedErrorSize
}

/** Adds the records of a set. @param owner the offset of the name that they belong to: by default, the question's */
export function addRecords(reply: Reply, set: RecordSet, owner = headerSize): void {
  const start = reply.length
  if (!fits(reply, set.wire.length)) return
  set.wire.copy(reply.buffer, start)
  reply.length += set.wire.length
  reply.answers += set.count
  if (owner === headerSize) return
  for (let at = start; at < reply.length; at += 2 + recordHead + reply.buffer.readUInt16BE(at + recordHead)) {
    reply.buffer.writeUInt16BE(0xc000 | owner, at)
  }
}

/** Adds the records of a kept reply, which belong to the question's name. @param at the offset of that reply */
export function addKept(reply: Reply, kept: KeptReplies, at: number): void {
  const length = kept.lengthAt(at)
  if (!fits(reply, length)) return
  const { buffer } = reply
  const { octets } = kept
  const from = kept.recordsAt(at)
  const to = reply.length
  // Mostly 16 octets, for which a loop is faster than a call.
  for (let index = 0; index < length; index++) buffer[to + index] = octets[from + index] as number
  reply.length = to + length
  reply.answers += kept.countAt(at)
}

/**
 * Adds the records of a set to the additional section, under another name, which is written in full: addresses that the
 * client would ask for next (RFC 2782). A set that does not fit is left out as a whole, and the reply does not count as
 * truncated (RFC 2181, 9).
 */
export function addAdditional(reply: Reply, owner: Buffer, set: RecordSet): void {
  const { buffer } = reply
  if (!hasRoom(reply, set.wire.length + set.count * (owner.length - 2))) return
  let at = reply.length
  for (let start = 0; start < set.wire.length; ) {
    const end = start + 2 + recordHead + set.wire.readUInt16BE(start + recordHead)
    at += owner.copy(buffer, at)
    at += set.wire.copy(buffer, at, start + 2, end)
    start = end
  }
  reply.length = at
  reply.additionals += set.count
}

/** A record of another server's message, without compression. */
export interface ForeignRecord {
  readonly owner: Buffer
  readonly type: number
  readonly class: number
  readonly ttl: number
  readonly data: Buffer
}

/** Adds a record of another server's message. Its owner is written in full. */
export function addForeign(
  reply: Reply,
  { owner, type, class: recordClass, ttl, data }: ForeignRecord,
  section: 'answers' | 'authorities',
): void {
  if (!fits(reply, owner.length + recordHead + data.length)) return
  const { buffer } = reply
  let at = reply.length + owner.copy(buffer, reply.length)
  at = buffer.writeUInt16BE(type, at)
  at = buffer.writeUInt16BE(recordClass, at)
  at = buffer.writeUInt32BE(ttl, at)
  at = buffer.writeUInt16BE(data.length, at)
  reply.length = at + data.copy(buffer, at)
  reply[section]++
}

const hostmaster = Buffer.from('\x0ahostmaster', 'latin1')
/** Times in seconds for secondary servers, of which there are none. Only `minimum` has an effect (RFC 2308, 4). */
const soaTimes = { refresh: 3600, retry: 600, expire: 86400 } as const

/**
 * Adds a zone's SOA record.
 * @param owner the offset of the zone's name at the end of the question's, which the names of the record point to; 0
 * stands for the root
 */
export function addSoa(
  reply: Reply,
  owner: number,
  serial: number,
  ttl: number,
  section: 'answers' | 'authorities',
): void {
  if (!fits(reply, 2 + recordHead + 2 + hostmaster.length + 2 + 20)) return
  const { buffer } = reply
  let at = writeOwner(buffer, reply.length, owner)
  buffer.writeUInt16BE(recordTypes.SOA.code, at)
  buffer.writeUInt16BE(1, at + 2)
  buffer.writeUInt32BE(ttl, at + 4)
  const data = at + recordHead
  at = writeOwner(buffer, data, owner)
  at += hostmaster.copy(buffer, at)
  at = writeOwner(buffer, at, owner)
  at = buffer.writeUInt32BE(serial, at)
  at = buffer.writeUInt32BE(soaTimes.refresh, at)
  at = buffer.writeUInt32BE(soaTimes.retry, at)
  at = buffer.writeUInt32BE(soaTimes.expire, at)
  at = buffer.writeUInt32BE(ttl, at)
  buffer.writeUInt16BE(at - data, data - 2)
  reply.length = at
  reply[section]++
}

/** Adds the NS record of a zone whose name is the question's. The name server is the zone's own name. */
export function addNs(reply: Reply, ttl: number): void {
  if (!fits(reply, 2 + recordHead + 2)) return
  const { buffer } = reply
  let at = writeOwner(buffer, reply.length, headerSize)
  at = buffer.writeUInt16BE(recordTypes.NS.code, at)
  at = buffer.writeUInt16BE(1, at)
  at = buffer.writeUInt32BE(ttl, at)
  at = buffer.writeUInt16BE(2, at)
  reply.length = writeOwner(buffer, at, headerSize)
  reply.answers++
}

function writeOwner(buffer: Buffer, at: number, owner: number): number {
  if (owner !== 0) return buffer.writeUInt16BE(0xc000 | owner, at)
  return buffer.writeUInt8(0, at)
}
