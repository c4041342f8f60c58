import { flag, headerSize } from './decode-query.ts'
import { textName } from './name.ts'
import { rcodeName } from './rcodes.ts'
import { DataReader, malformed } from './record-data.ts'
import { dataText, recordTypes, typeName } from './record-types.ts'

/** One record of an answer; `data` is spelled as in a zone file. */
export interface DnsRecord {
  name: string
  type: string
  /** Seconds. */
  ttl: number
  data: string
}

/** An answer, as `query()` returns it. */
export interface DnsAnswer {
  name: string
  type: string
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`, … */
  status: string
  /** True for an answer from a zone or view of this server, false for one of an upstream. */
  authoritative: boolean
  answers: DnsRecord[]
}

/**
 * Decodes an answer, ours or an upstream's. Trusts none of its lengths and pointers.
 * @throws DnsError `INVALID_ANSWER`
 */
export function decodeAnswer(message: Buffer, name: string, type: string): DnsAnswer {
  if (message.length < headerSize) throw malformed('it is shorter than a header')
  const flags = message.readUInt16BE(2)
  const reader = new DataReader(message, headerSize)
  for (let left = message.readUInt16BE(4); left > 0; left--) {
    reader.name()
    reader.octets(4)
  }
  const answers: DnsRecord[] = []
  for (let left = message.readUInt16BE(6); left > 0; left--) answers.push(readRecord(reader))
  let rcode = flags & 0xf
  for (let left = message.readUInt16BE(8) + message.readUInt16BE(10); left > 0; left--) {
    reader.name()
    const code = reader.number(2)
    reader.octets(2)
    const ttl = reader.number(4)
    reader.octets(reader.number(2))
    // RFC 6891, 6.1.3: the TTL of an OPT record begins with the upper eight bits of the rcode.
    if (code === recordTypes.OPT.code) rcode |= (ttl >>> 24) << 4
  }
  return { name, type, status: rcodeName(rcode), authoritative: (flags & flag.AA) !== 0, answers }
}

/** Reads the record that begins at the reader's place. @throws DnsError `INVALID_ANSWER` */
export function readRecord(reader: DataReader): DnsRecord {
  const name = textName(reader.name())
  const code = reader.number(2)
  reader.octets(2)
  const ttl = reader.number(4)
  const length = reader.number(2)
  const data = new DataReader(reader.message, reader.at, reader.at + length)
  reader.octets(length)
  return { name, type: typeName(code), ttl, data: dataText(code, data) }
}
