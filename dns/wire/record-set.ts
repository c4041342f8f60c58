import { DnsError } from '../errors.ts'

/**
 * The records of one type under one name, ready for the wire. Each has the question's name for its owner, by a pointer
 * to octet 12 of the message: so the owner is spelled as the client spelled it (RFC 4343), and an alias is answered by
 * the very same octets as the name that it stands for.
 */
export interface RecordSet {
  readonly type: number
  readonly count: number
  readonly wire: Buffer
  /** Names in wire form that a client resolves next, such as the targets of SRV: their addresses travel along. */
  readonly hosts: readonly Buffer[]
}

/** Octets of a record between its owner's pointer and its data: type, class, TTL, length of the data. */
export const recordHead = 10

const noHosts: readonly Buffer[] = []

/** @returns `undefined` if there is no data, since no set is empty */
export function recordSet(
  type: number,
  ttl: number,
  data: readonly Buffer[],
  hosts: readonly Buffer[] = noHosts,
): RecordSet | undefined {
  if (data.length === 0) return undefined
  return { type, count: data.length, wire: recordsWire(type, ttl, data), hosts }
}

/**
 * The same for records that the server derives, which may change often and be many: they are written when they are
 * first asked for.
 */
export function derivedSet(type: number, ttl: number, data: readonly Buffer[]): RecordSet | undefined {
  if (data.length === 0) return undefined
  let wire: Buffer | undefined
  return {
    type,
    count: data.length,
    get wire() {
      wire ??= recordsWire(type, ttl, data)
      return wire
    },
    hosts: noHosts,
  }
}

function recordsWire(type: number, ttl: number, data: readonly Buffer[]): Buffer {
  const wire = Buffer.alloc(setSize(data))
  let at = 0
  for (const octets of data) {
    at = wire.writeUInt16BE(0xc00c, at)
    at = wire.writeUInt16BE(type, at)
    at = wire.writeUInt16BE(1, at)
    at = wire.writeUInt32BE(ttl, at)
    at = wire.writeUInt16BE(octets.length, at)
    wire.set(octets, at)
    at += octets.length
  }
  return wire
}

/** The octets that records with these data take on the wire. */
export function setSize(data: readonly Buffer[]): number {
  return data.reduce((size, octets) => size + 2 + recordHead + octets.length, 0)
}

/** The largest TTL (RFC 2181, 8). */
const longestTtl = 2 ** 31 - 1

/** @throws DnsError `code` for a number of seconds that no record can carry */
export function checkTtl(ttl: number, code: 'INVALID_OPTION' | 'INVALID_RECORD'): number {
  if (Number.isInteger(ttl) && ttl >= 0 && ttl <= longestTtl) return ttl
  throw new DnsError(code, `ttl: ${ttl} is not a number of seconds between 0 and ${longestTtl}`)
}
