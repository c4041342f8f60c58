import { flag, headerSize } from '../wire/decode-query.ts'
import { encodeQuery } from '../wire/encode-query.ts'
import { DataReader } from '../wire/record-data.ts'
import { type RecordType, recordTypes } from '../wire/record-types.ts'
import { optSize } from '../wire/truncation.ts'
import { addForeign, type ForeignRecord, type Reply } from '../wire/write-reply.ts'
import { finish } from './fill-reply.ts'
import type { Knowledge } from './knowledge.ts'

/**
 * A chain of CNAMEs may lead out of our zones. A stub resolver asks for no second name: where recursion is desired, the
 * answer has to hold the records of the chain's end too (RFC 1034, 5.3.1), which somebody else is asked for.
 */

/** More of them, one leading to the next, are a circle. */
export const mostChains = 8

/** Writes the query for the end of a chain, with the type and the flags of the query that led there. */
export function chainQuery({ query }: Reply, target: Buffer, udpSize: number): Buffer {
  const message = encodeQuery(target, query.type, 0, udpSize)
  message.writeUInt16BE(flag.RD | (query.flags & flag.CD), 2)
  // The OPT record is the last one; its flags are in the last two octets of its TTL.
  if (query.dnssecOk) message.writeUInt16BE(0x8000, message.length - 4)
  return message
}

/** Writes again a query over which its reply was written: its question, its flags and its OPT record. */
export function rewrittenQuery({ buffer, query }: Reply): Buffer {
  const message = Buffer.alloc(query.questionEnd + (query.edns ? optSize : 0))
  buffer.copy(message, 0, 0, query.questionEnd)
  message.writeUInt16BE(query.flags, 2)
  message.writeUInt16BE(1, 4)
  message.fill(0, 6, headerSize)
  if (!query.edns) return message
  message.writeUInt16BE(1, 10)
  message.writeUInt16BE(recordTypes.OPT.code, query.questionEnd + 1)
  message.writeUInt16BE(query.udpSize, query.questionEnd + 3)
  message.writeUInt16BE(query.dnssecOk ? 0x8000 : 0, query.questionEnd + 7)
  return message
}

/**
 * Adds the answer for the end of a chain to the finished reply that holds the chain.
 * @throws DnsError `INVALID_ANSWER`; the reply is spoilt then
 */
export function addChainEnd(reply: Reply, knowledge: Knowledge, answer: Buffer): void {
  const { query } = reply
  const flags = answer.readUInt16BE(2)
  // Behind the chain there is nothing but the OPT record.
  if (query.edns) reply.length -= optSize
  if ((flags & flag.TC) !== 0) reply.overflow = true
  const reader = new DataReader(answer, headerSize)
  for (let left = answer.readUInt16BE(4); left > 0; left--) {
    reader.name()
    reader.octets(4)
  }
  for (const [section, count] of [
    ['answers', answer.readUInt16BE(6)],
    ['authorities', answer.readUInt16BE(8)],
  ] as const) {
    for (let left = count; left > 0; left--) {
      const record = readForeign(reader)
      // Of what is beside the answer only the SOA is needed, by which a negative one is kept (RFC 2308, 2).
      if (section === 'answers' || record.type === recordTypes.SOA.code) addForeign(reply, record, section)
    }
  }
  finish(reply, knowledge, flag.AA, flags & 0xf)
}

/** Where compressed names lie in the data of a type, by the type's number. */
const namesAt = new Map(
  Object.values<RecordType>(recordTypes).flatMap(({ code, names }) =>
    names ? [[code, names] as const] : [],
  ),
)

function readForeign(reader: DataReader): ForeignRecord {
  const owner = reader.name()
  const type = reader.number(2)
  const recordClass = reader.number(2)
  const ttl = reader.number(4)
  const length = reader.number(2)
  const data = new DataReader(reader.message, reader.at, reader.at + length)
  reader.octets(length)
  const layout = namesAt.get(type)
  if (layout === undefined) return { owner, type, class: recordClass, ttl, data: data.octets(length) }
  const parts = [data.octets(layout.before)]
  for (let left = layout.count; left > 0; left--) parts.push(data.name())
  parts.push(data.octets(data.left))
  return { owner, type, class: recordClass, ttl, data: Buffer.concat(parts) }
}

/** Tells whether a reply is a chain that leaves our zones, and its end is wanted. */
export function wantsChainEnd({ outside, query, overflow }: Reply, { recursion }: Knowledge): boolean {
  return outside !== undefined && recursion && !overflow && (query.flags & flag.RD) !== 0
}
