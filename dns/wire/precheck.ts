import { DnsError } from '../errors.ts'
import { headerSize } from './decode-query.ts'
import { longestLabel, longestName } from './name.ts'
import { recordType } from './rcodes.ts'

/** Where the names are in the data of the types that have any: octets before them, and how many. */
const namesIn = new Map<number, { skip: number; count: number }>([
  [recordType.NS, { skip: 0, count: 1 }],
  [recordType.CNAME, { skip: 0, count: 1 }],
  [recordType.PTR, { skip: 0, count: 1 }],
  [recordType.SOA, { skip: 0, count: 2 }],
  [recordType.MX, { skip: 2, count: 1 }],
  [recordType.SRV, { skip: 6, count: 1 }],
  [recordType.RRSIG, { skip: 18, count: 1 }],
])

/** Enough for any name: it has at most 127 labels, and a compressor points once per name. */
const mostPointers = 16

/**
 * Makes sure that a message's records lie within it, and that its names end: pointers lead backwards only (RFC 1035,
 * 4.1.4: to a prior occurrence), and few in a row.
 * @throws DnsError `INVALID_ANSWER`
 */
export function precheck(message: Buffer): void {
  if (message.length < headerSize) throw malformed('it is shorter than a header')
  let at = headerSize
  for (let left = message.readUInt16BE(4); left > 0; left--) at = nameEnd(message, at) + 4
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10)
  for (let left = records; left > 0; left--) {
    const head = nameEnd(message, at)
    if (head + 10 > message.length) throw malformed('a record is cut off')
    const end = head + 10 + message.readUInt16BE(head + 8)
    if (end > message.length) throw malformed('the data of a record is cut off')
    checkNamesIn(message, message.readUInt16BE(head), head + 10, end)
    at = end
  }
  if (at > message.length) throw malformed('its question is cut off')
}

function checkNamesIn(message: Buffer, type: number, start: number, end: number): void {
  const names = namesIn.get(type)
  if (names === undefined) return
  let at = start + names.skip
  for (let left = names.count; left > 0; left--) at = nameEnd(message, at)
  if (at > end) throw malformed('a name is longer than its record')
}

/** Checks a name, following its pointers; where it ends in the place where it began. */
function nameEnd(message: Buffer, start: number): number {
  let at = start
  let behind: number | undefined
  let pointers = 0
  let octets = 1
  for (;;) {
    if (at >= message.length) throw malformed('a name is cut off')
    const length = message[at] as number
    if (length === 0) return behind ?? at + 1
    if (length >= 0xc0) {
      if (at + 2 > message.length) throw malformed('a pointer is cut off')
      const target = message.readUInt16BE(at) & 0x3fff
      if (target >= at || ++pointers > mostPointers) throw malformed('a pointer leads nowhere')
      behind ??= at + 2
      at = target
    } else {
      octets += length + 1
      if (length > longestLabel || octets > longestName) throw malformed('a name is too long')
      at += length + 1
    }
  }
}

function malformed(reason: string): DnsError {
  return new DnsError('INVALID_ANSWER', `the answer is malformed: ${reason}`)
}
