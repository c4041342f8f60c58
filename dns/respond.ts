import { classAny, classIn, types } from './constants.ts'
import {
  type Answer,
  type AnswerRecord,
  decodeQuery,
  encodeAnswer,
  encodeError,
  type Query,
  udpLimitOf,
} from './message.ts'
import { addressBytes, hostName, nameBytes } from './name.ts'
import { clientAddress, type ViewData } from './view.ts'
import { type Addresses, isWithin, type ZoneData } from './zone.ts'

/** Everything that an answer depends on: one unchanging picture of it. */
export interface Snapshot {
  readonly zones: readonly ZoneData[]
  /** Reverse zones that we answer for. */
  readonly reverse: readonly string[]
  readonly views: ViewData
  readonly ttl: number
  readonly unknownClients: 'zone' | 'refuse'
  readonly forwarding: boolean
}

/** What becomes of a message. */
export type Response =
  | { kind: 'answer'; bytes: Buffer; query?: Query; answer?: Answer }
  /** To be asked upstream, with the message's own bytes. */
  | { kind: 'forward'; query: Query }
  | { kind: 'drop' }

/** The most that fits over TCP. */
const tcpLimit = 65_535

/** Names that are never anybody else's: RFC 6761 section 6.4, RFC 7686. */
const nowhere = ['invalid', 'onion']

/**
 * The answer to a message: a pure function of the message, who sent it, and the zones and views; never throws.
 * Views are looked at before zones, zones before the outside.
 */
export function respond(
  message: Buffer,
  client: string,
  snapshot: Snapshot,
  transport: 'udp' | 'tcp' = 'udp',
): Response {
  const decoded = decodeQuery(message)
  if (decoded.kind === 'drop') return decoded
  if (decoded.kind === 'error') return { kind: 'answer', bytes: encodeError(decoded) }
  const { query } = decoded
  const answer = answerTo(query, clientAddress(client), snapshot)
  if (answer === 'forward') return { kind: 'forward', query }
  const limit = transport === 'tcp' ? tcpLimit : udpLimitOf(query)
  return { kind: 'answer', bytes: encodeAnswer(query, answer, limit), query, answer }
}

/** The answer to a question, or that it is one for the outside. */
export function answerTo(query: Query, client: string, snapshot: Snapshot): Answer | 'forward' {
  const { views, zones, reverse, unknownClients } = snapshot
  const { name, type } = query
  if (query.edns !== undefined && query.edns.version > 0) return plain('BADVERS', snapshot)
  if (query.class !== classIn && query.class !== classAny) return plain('REFUSED', snapshot)
  if (type === types.AXFR || type === types.IXFR) return plain('REFUSED', snapshot)
  if (unknownClients === 'refuse' && !views.has(client)) return plain('REFUSED', snapshot)

  const target = views.target(client, name)
  if (target !== undefined) return aliasAnswer(query, target, snapshot)
  const zone = zones
    .filter((one) => isWithin(name, one.name))
    .sort((a, b) => b.name.length - a.name.length)[0]
  if (zone !== undefined) return zoneAnswer(query, zone, snapshot)
  const reverseZone = reverse.find((one) => isWithin(name, one))
  if (reverseZone !== undefined) return reverseAnswer(query, reverseZone, snapshot)
  if (name === 'localhost' || name.endsWith('.localhost')) return localhostAnswer(query, snapshot)
  if (nowhere.some((one) => isWithin(name, one))) return plain('NXDOMAIN', snapshot)
  // A single label is a name of this network or of nobody: it is never asked upstream. The root has none.
  if (name !== '' && !name.includes('.')) return plain('NXDOMAIN', snapshot)
  return snapshot.forwarding && query.recursionDesired ? 'forward' : plain('REFUSED', snapshot)
}

function plain(rcode: Answer['rcode'], snapshot: Snapshot): Answer {
  return {
    rcode,
    authoritative: false,
    recursionAvailable: snapshot.forwarding,
    answers: [],
    authorities: [],
  }
}

/** An alias is answered with its target's addresses under its own name. */
function aliasAnswer(query: Query, target: string, snapshot: Snapshot): Answer {
  const [first] = snapshot.zones
  const full = first && !target.endsWith('.') ? first.fullName(target) : hostName(target)
  const addresses = snapshot.zones.find((zone) => isWithin(full, zone.name))?.addresses(full)
  const soaName = first?.name ?? ''
  if (addresses === undefined) return negative('NXDOMAIN', soaName, snapshot)
  return positive(addressRecords(query.type, addresses, snapshot.ttl), soaName, snapshot)
}

function zoneAnswer(query: Query, zone: ZoneData, snapshot: Snapshot): Answer {
  const { name, type } = query
  if (!zone.has(name)) return negative('NXDOMAIN', zone.name, snapshot)
  const addresses = zone.addresses(name)
  const records = addresses ? addressRecords(type, addresses, snapshot.ttl) : []
  if (name === zone.name) records.push(...apexRecords(type, zone.name, snapshot.ttl))
  return positive(records, zone.name, snapshot)
}

/** `type` asked of addresses. ANY gets one kind: RFC 8482 section 4.1. */
function addressRecords(type: number, { v4, v6 }: Addresses, ttl: number): AnswerRecord[] {
  const of = (wanted: number, data: readonly Buffer[]) =>
    data.map((bytes) => ({ type: wanted, ttl, data: bytes }))
  if (type === types.A) return of(types.A, v4)
  if (type === types.AAAA) return of(types.AAAA, v6)
  if (type === types.ANY) return v4.length > 0 ? of(types.A, v4) : of(types.AAAA, v6)
  return []
}

function apexRecords(type: number, zone: string, ttl: number): AnswerRecord[] {
  if (type === types.SOA) return [soa(zone, ttl)]
  if (type === types.NS) return [{ type: types.NS, ttl, data: nameBytes(`ns.${zone}`) }]
  return []
}

function reverseAnswer(query: Query, reverseZone: string, snapshot: Snapshot): Answer {
  const names = snapshot.zones.flatMap((zone) => zone.pointers(query.name))
  const isApex = query.name === reverseZone
  if (names.length === 0 && !isApex) {
    // Something may be below it: an octet is missing.
    const below = snapshot.zones.some((zone) => zone.hasPointerBelow(query.name))
    if (!below) return negative('NXDOMAIN', reverseZone, snapshot)
  }
  const asked = query.type === types.PTR || query.type === types.ANY
  const records = asked
    ? names.map((name) => ({ type: types.PTR, ttl: snapshot.ttl, data: nameBytes(name) }))
    : isApex
      ? apexRecords(query.type, reverseZone, snapshot.ttl)
      : []
  return positive(records, reverseZone, snapshot)
}

/** RFC 6761 section 6.3: loopback, never the outside. */
function localhostAnswer(query: Query, snapshot: Snapshot): Answer {
  const addresses = { texts: [], v4: [addressBytes('127.0.0.1')], v6: [addressBytes('::1')] }
  return positive(addressRecords(query.type, addresses, snapshot.ttl), 'localhost', snapshot)
}

function positive(records: AnswerRecord[], zone: string, snapshot: Snapshot): Answer {
  // A name that is there without records of this type is NODATA, never NXDOMAIN: musl and browsers give up on that.
  if (records.length === 0) return negative('NOERROR', zone, snapshot)
  return {
    rcode: 'NOERROR',
    authoritative: true,
    recursionAvailable: snapshot.forwarding,
    answers: records,
    authorities: [],
  }
}

/** RFC 2308: both kinds of no carry the zone's SOA, whose minimum says how long they hold. */
function negative(rcode: 'NOERROR' | 'NXDOMAIN', zone: string, snapshot: Snapshot): Answer {
  return {
    rcode,
    authoritative: true,
    recursionAvailable: snapshot.forwarding,
    answers: [],
    authorities: [{ ...soa(zone, snapshot.ttl), owner: zone }],
  }
}

function soa(zone: string, ttl: number): AnswerRecord {
  const numbers = Buffer.alloc(20)
  // serial, refresh, retry, expire, minimum: nobody transfers the zone, and nothing may be remembered.
  for (const [i, value] of [1, 3_600, 600, 86_400, ttl].entries()) numbers.writeUInt32BE(value, i * 4)
  const data = Buffer.concat([nameBytes(`ns.${zone}`), nameBytes(`hostmaster.${zone}`), numbers])
  return { type: types.SOA, ttl, data }
}
