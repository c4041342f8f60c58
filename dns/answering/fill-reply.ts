import { flag, headerSize } from '../wire/decode-query.ts'
import { extendedError, rcode } from '../wire/rcodes.ts'
import { type RecordSet, recordHead, recordSet } from '../wire/record-set.ts'
import { recordTypes } from '../wire/record-types.ts'
import { addAdditional, addNs, addRecords, addSoa, finishReply, type Reply } from '../wire/write-reply.ts'
import type { NameNode, NameTree } from '../zones/name-tree.ts'
import type { ZoneCut } from '../zones/zone-cut.ts'
import type { Knowledge } from './knowledge.ts'

/** Completes a reply, after its records: writes header and OPT record. */
export function finish(
  reply: Reply,
  { recursion, udpSize }: Knowledge,
  flags: number,
  code: number,
  reason: number = extendedError.none,
): void {
  finishReply(reply, recursion ? flags | flag.RA : flags, code, udpSize, reason)
}

export function refuse(reply: Reply, knowledge: Knowledge, code: number, reason?: number): 'refusal' {
  finish(reply, knowledge, 0, code, reason)
  return 'refusal'
}

/** Replies for a name that exists: with its records of the type, or with NODATA if there are none (RFC 2308, 2.2). */
export function replyName(reply: Reply, knowledge: Knowledge, node: NameNode): void {
  const { zone } = node
  const { type, nameLength } = reply.query
  const atTop = node.wire.length === zone.wire.length
  let code: number = rcode.NOERROR
  if (type === recordTypes.SOA.code && atTop) {
    addSoa(reply, nameLength > 1 ? headerSize : 0, knowledge.names.serial, zone.ttl, 'answers')
  } else if (type === recordTypes.NS.code && atTop && zone.kind !== 'localhost') {
    addNs(reply, zone.ttl)
    // The name server is the zone's own name, which the client would resolve next (RFC 1034, 4.3.2).
    addAddresses(reply, node.wire, node)
  } else code = addAnswers(reply, knowledge, node)
  if (reply.answers === 0 && !reply.overflow) addZoneSoa(reply, knowledge.names, zone)
  finish(reply, knowledge, flag.AA, code)
}

/** Replies for an alias with the records of its target, without a CNAME: no client has to resolve a second name. */
export function replyAlias(reply: Reply, knowledge: Knowledge, target: NameNode | undefined): void {
  let code: number = rcode.NOERROR
  let node = target
  let last = target
  for (let links = 0; node?.target !== undefined && links < longestChain; links++) {
    last = node
    node = knowledge.names.get(node.target)
  }
  if (node === undefined) {
    const outside = last?.target !== undefined && knowledge.names.zoneOf(last.target) === undefined
    // The client has to resolve a target that is not in our zones: it gets the CNAME.
    if (outside && last?.cname !== undefined) {
      addRecords(reply, last.cname)
      reply.outside = last.target
    } else code = rcode.NXDOMAIN
  } else if (node.target === undefined) code = addAnswers(reply, knowledge, node)
  if (reply.answers === 0 && !reply.overflow) {
    // For its client an alias is a zone of its own, with one name.
    addSoa(reply, headerSize, knowledge.names.serial, knowledge.ttl, 'authorities')
  }
  finish(reply, knowledge, flag.AA, code)
}

/** Replies for a name that is in a zone of ours and does not exist there. */
export function replyMissing(reply: Reply, knowledge: Knowledge, zone: ZoneCut): 'zone' | 'local' {
  if (zone.kind === 'nothing') {
    replyNoSuchName(reply, knowledge)
    return 'local'
  }
  if (zone.kind === 'localhost') {
    const top = knowledge.names.get(zone.wire)
    if (top !== undefined) {
      replyName(reply, knowledge, top)
      return 'local'
    }
  }
  addZoneSoa(reply, knowledge.names, zone)
  finish(reply, knowledge, flag.AA, rcode.NXDOMAIN)
  return 'zone'
}

/**
 * Replies for a name below an alias of one label, or below a short name. For its client that label is a zone of its
 * own: there is nothing but what it was given, and nobody else is asked.
 * @param label the offset of that label, the last one of the question's name
 * @param exists true if the name has no data, but a name below it
 */
export function replyBelow(reply: Reply, knowledge: Knowledge, label: number, exists: boolean): void {
  addSoa(reply, label, knowledge.names.serial, knowledge.ttl, 'authorities')
  finish(reply, knowledge, flag.AA, exists ? rcode.NOERROR : rcode.NXDOMAIN)
}

/** Replies that a name exists nowhere, as the root would, and without AA: only the root has authority over that. */
export function replyNoSuchName(reply: Reply, knowledge: Knowledge): void {
  addSoa(reply, 0, knowledge.names.serial, knowledge.ttl, 'authorities')
  finish(reply, knowledge, 0, rcode.NXDOMAIN)
}

/** Adds the SOA of a zone. Its name is the end of the question's: a pointer there spells it as the client did. */
function addZoneSoa(reply: Reply, names: NameTree, { wire, ttl }: ZoneCut): void {
  const owner = wire.length > 1 ? headerSize + reply.query.nameLength - wire.length : 0
  addSoa(reply, owner, names.serial, ttl, 'authorities')
}

/** The reply to ANY (RFC 8482, 4.2). */
const anyRefusal = recordSet(recordTypes.HINFO.code, 0, [
  recordTypes.HINFO.data.write({ cpu: 'RFC8482', os: '' }, 'HINFO', () => Buffer.of(0)),
]) as RecordSet

/** Adds the records of the type asked for that a name has. Returns the rcode that goes with them. */
function addAnswers(reply: Reply, { names }: Knowledge, node: NameNode): number {
  const { type } = reply.query
  if (type === recordTypes.ANY.code) addRecords(reply, anyRefusal)
  else if (node.cname !== undefined && type !== recordTypes.CNAME.code) return addChain(reply, names, node)
  else {
    const set = node.recordsOf(type)
    if (set !== undefined) {
      addRecords(reply, set)
      addHosts(reply, names, set)
    }
  }
  return rcode.NOERROR
}

/** Adds the addresses of hosts in records, such as the targets of SRV (RFC 2782), if they are in zones of ours. */
function addHosts(reply: Reply, names: NameTree, { hosts }: RecordSet): void {
  if (reply.overflow) return
  for (const host of hosts) addAddresses(reply, host, names.get(host))
}

function addAddresses(reply: Reply, owner: Buffer, node: NameNode | undefined): void {
  if (node?.a !== undefined) addAdditional(reply, owner, node.a)
  if (node?.aaaa !== undefined) addAdditional(reply, owner, node.aaaa)
}

/** Longer chains of CNAMEs are circles. */
const longestChain = 8

/**
 * Adds a chain of CNAMEs inside our zones, and the records that it leads to; where it leaves them, the client goes on
 * (RFC 1034, 4.3.2). If it ends in a name that does not exist, the rcode says so (RFC 2308, 2.1).
 */
function addChain(reply: Reply, names: NameTree, start: NameNode): number {
  let node: NameNode | undefined = start
  let target: Buffer | undefined
  let owner = headerSize
  for (
    let links = 0;
    node?.cname !== undefined && node.target !== undefined && links < longestChain;
    links++
  ) {
    // The next owner is this record's data: behind a pointer and the record's head.
    const data: number = reply.length + 2 + recordHead
    addRecords(reply, node.cname, owner)
    owner = data
    target = node.target
    node = names.get(target)
  }
  if (reply.overflow) return rcode.NOERROR
  const set = node?.recordsOf(reply.query.type)
  if (set !== undefined) {
    addRecords(reply, set, owner)
    return rcode.NOERROR
  }
  const zone = target === undefined ? undefined : names.zoneOf(target)
  if (zone === undefined) reply.outside = target
  if (zone === start.zone) addZoneSoa(reply, names, zone)
  return node === undefined && zone !== undefined ? rcode.NXDOMAIN : rcode.NOERROR
}
