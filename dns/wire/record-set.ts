import { DnsError } from '../errors.ts'
import { recordType } from './rcodes.ts'

/** More of one type under one name make answers that fit no sensible packet. */
export const mostRecords = 100

/**
 * The records of one type under one name, ready for the wire. Each has the question's name for its owner, by a pointer
 * to octet 12 of the message: so the owner is spelled as the client spelled it (RFC 4343), and an alias is answered by
 * the very same octets as the name that it stands for.
 */
export interface RecordSet {
  readonly type: number
  readonly count: number
  readonly wire: Buffer
}

/** Octets of a record between its owner's pointer and its data: type, class, TTL, length of the data. */
export const recordHead = 10

export function recordSet(type: number, ttl: number, data: readonly Buffer[]): RecordSet | undefined {
  if (data.length === 0) return undefined
  const count = Math.min(data.length, mostRecords)
  let size = 0
  for (let index = 0; index < count; index++) size += 2 + recordHead + (data[index] as Buffer).length
  const wire = Buffer.alloc(size)
  let at = 0
  for (let index = 0; index < count; index++) {
    const octets = data[index] as Buffer
    at = wire.writeUInt16BE(0xc00c, at)
    at = wire.writeUInt16BE(type, at)
    at = wire.writeUInt16BE(1, at)
    at = wire.writeUInt32BE(ttl, at)
    at = wire.writeUInt16BE(octets.length, at)
    wire.set(octets, at)
    at += octets.length
  }
  return { type, count, wire }
}

/** One TXT record of one string or several (RFC 1035, 3.3.14). */
export function textData(strings: readonly string[]): Buffer {
  const octets = strings.map((text) => Buffer.from(text, 'utf8'))
  for (const { length } of octets) {
    if (length > 255) {
      throw new DnsError(
        'INVALID_RECORD',
        `a text of ${length} octets is too long for a TXT record, 255 is the most`,
      )
    }
  }
  return Buffer.concat(octets.map((text) => Buffer.concat([Buffer.of(text.length), text])))
}

/** Where a service is to be had (RFC 2782). The lowest priority goes first; `.` says that there is none. */
export interface ServiceTarget {
  /** A name, relative to the zone unless it ends in a dot. */
  readonly target: string
  readonly port: number
  /** @defaultValue 0 */
  readonly priority?: number
  /** The share among those of one priority. @defaultValue 0 */
  readonly weight?: number
}

/** The data of an SRV record; its target is never compressed. @param target in wire form */
export function serviceData({ priority = 0, weight = 0, port }: ServiceTarget, target: Buffer): Buffer {
  const head = Buffer.alloc(6)
  for (const [index, [what, value]] of Object.entries({ priority, weight, port }).entries()) {
    if (!Number.isInteger(value) || value < 0 || value > 65535) {
      throw new DnsError('INVALID_RECORD', `${what}: ${value} is not a number between 0 and 65535`)
    }
    head.writeUInt16BE(value, index * 2)
  }
  return Buffer.concat([head, target])
}

/** What ANY is answered with (RFC 8482, 4.2). */
export const anyRefusal = recordSet(recordType.HINFO, 0, [
  Buffer.from('\x07RFC8482\x00', 'latin1'),
]) as RecordSet
