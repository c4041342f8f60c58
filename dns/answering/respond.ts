import type { Routes } from '../upstream/routes.ts'
import { decodeQuery, flag, headerSize, newQuery, type Query } from '../wire/decode-query.ts'
import { extendedError, rcode, recordType } from '../wire/rcodes.ts'
import { anyRefusal, recordHead } from '../wire/record-set.ts'
import {
  addHelp,
  addNs,
  addReady,
  addRecords,
  addSoa,
  finishReply,
  longestMessage,
  type Reply,
  startReply,
} from '../wire/write-reply.ts'
import { asSeen } from '../zones/granted-names.ts'
import { type NameNode, type Names, readyTypes, type ZoneCut } from '../zones/name-tree.ts'
import type { ViewTable } from '../zones/view-table.ts'

/** All that an answer depends on, besides the query and who asks. */
export interface Knowledge {
  readonly names: Names
  readonly views: ViewTable
  /** Whether what is not known here is asked elsewhere, and which names are. */
  readonly recursion: boolean
  readonly routes: Pick<Routes, 'asks'>
  /** What clients without a view get. */
  readonly unknownClients: 'zone' | 'refuse'
  /** The most that is sent over UDP. */
  readonly udpSize: number
  /** Seconds that answers may be kept. */
  readonly ttl: number
}

/** Who asks. */
export interface Asker {
  /** Its address as views spell it; `undefined` is nobody in particular, who sees the zones. */
  readonly client: string | undefined
  readonly transport: 'udp' | 'tcp'
}

/**
 * What to do with a query: send `reply` (`view`: an alias answered it; `zone`: our own data; `local`: a name that is
 * never asked elsewhere; `refusal`: an error), ask an upstream (`forward`), or nothing at all (`drop`).
 */
export type Verdict = 'view' | 'zone' | 'local' | 'refusal' | 'forward' | 'drop'

/** Filled again for each query: answering is synchronous, so there is one at a time. */
const query: Query = newQuery()

/**
 * Answers a query as far as that needs nobody else. It has no state and no side effect but what it writes into `reply`,
 * never throws whatever the packet holds, and for addresses and PTR allocates nothing.
 *
 * @param message the query, in its first `size` octets; it may be the buffer of `reply`
 */
export function respond(
  message: Buffer,
  size: number,
  asker: Asker,
  knowledge: Knowledge,
  reply: Reply,
): Verdict {
  const decoded = decodeQuery(message, size, query)
  if (decoded === 'drop') return 'drop'
  startReply(reply, message, query, limitOf(query, asker.transport, knowledge.udpSize))
  if (decoded !== rcode.NOERROR) return refuse(reply, knowledge, decoded)
  const view = asker.client === undefined ? undefined : knowledge.views.get(asker.client)
  if (view === undefined && asker.client !== undefined && knowledge.unknownClients === 'refuse') {
    return refuse(reply, knowledge, rcode.REFUSED, extendedError.prohibited)
  }
  const { type } = query
  if (query.class !== 1 || type === recordType.AXFR || type === recordType.IXFR) {
    return refuse(reply, knowledge, rcode.REFUSED)
  }
  if (type === recordType.OPT || type === 0) return refuse(reply, knowledge, rcode.FORMERR)
  // Meta types but ANY (RFC 6895, 3.1) ask for services that there are none of here.
  if (type >= 128 && type < recordType.ANY) return refuse(reply, knowledge, rcode.NOTIMP)

  const alias = view?.table.find(message, headerSize, query.nameLength, query.hash)
  if (alias !== undefined) {
    const { target: name, hash } = alias
    if (answerReady(reply, knowledge, name, 0, name.length, hash)) return 'view'
    const target = knowledge.names.find(alias.target, 0, alias.target.length, alias.hash)
    answerAlias(reply, knowledge, target)
    return 'view'
  }
  // A view that does not see all of the zones gets answers of its own.
  if (view?.granted === undefined) {
    if (answerReady(reply, knowledge, message, headerSize, query.nameLength, query.hash)) return 'zone'
  }
  const found = knowledge.names.find(message, headerSize, query.nameLength, query.hash)
  const node = found === undefined || view?.granted === undefined ? found : asSeen(found, view.granted)
  if (node !== undefined) {
    if (node === found) keepReady(knowledge.names, node)
    answerNode(reply, knowledge, node)
    return node.zone.kind === 'localhost' ? 'local' : 'zone'
  }
  const zone = knowledge.names.zoneOf(message, headerSize, query.nameLength)
  if (zone !== undefined) return answerMissing(reply, knowledge, zone)
  // Nobody else knows what a single label means here, and nobody else should learn it.
  if (query.labels === 1) {
    noSuchName(reply, knowledge)
    return 'local'
  }
  if (!knowledge.routes.asks(message, headerSize, query.nameLength)) {
    return refuse(reply, knowledge, rcode.REFUSED, extendedError.notAuthoritative)
  }
  if (view?.outside === false) return refuse(reply, knowledge, rcode.REFUSED, extendedError.prohibited)
  return 'forward'
}

/** Refuses a query that was to be forwarded, or says that its answer is too large, by `flags`. */
export function respondError(
  message: Buffer,
  asker: Asker,
  knowledge: Knowledge,
  reply: Reply,
  { code, reason = extendedError.none, flags = 0 }: { code: number; reason?: number; flags?: number },
): void {
  if (decodeQuery(message, message.length, query) === 'drop')
    throw new RangeError('an answer is never answered')
  startReply(reply, message, query, limitOf(query, asker.transport, knowledge.udpSize))
  finishReply(reply, query, flags | recursionFlag(knowledge), code, knowledge.udpSize, reason)
}

/** What a client takes at once: over UDP what it says, but no more than travels whole. */
function limitOf({ udpSize }: Query, transport: 'udp' | 'tcp', most: number): number {
  return transport === 'tcp' ? longestMessage : Math.min(udpSize, most)
}

function recursionFlag({ recursion }: Knowledge): number {
  return recursion ? flag.RA : 0
}

function finish(
  reply: Reply,
  knowledge: Knowledge,
  flags: number,
  code: number,
  reason: number = extendedError.none,
) {
  finishReply(reply, query, flags | recursionFlag(knowledge), code, knowledge.udpSize, reason)
}

function refuse(reply: Reply, knowledge: Knowledge, code: number, reason?: number): Verdict {
  finish(reply, knowledge, 0, code, reason)
  return 'refusal'
}

/** Answers as before, for a name whose records have not changed since. */
function answerReady(
  reply: Reply,
  knowledge: Knowledge,
  octets: Buffer,
  start: number,
  length: number,
  hash: number,
): boolean {
  const { ready } = knowledge.names
  const at = ready.find(octets, start, length, hash, query.type)
  if (at === 0) return false
  addReady(reply, ready, at)
  finish(reply, knowledge, flag.AA, rcode.NOERROR)
  return true
}

/** Remembers a plain answer: records of the name's own, with nothing that depends on who asks. */
function keepReady({ ready }: Names, node: NameNode): void {
  const { wire, cname, zone } = node
  if (cname !== undefined || zone.kind === 'localhost' || !readyTypes.includes(query.type)) return
  const set = setOf(node)
  if (set !== undefined) ready.keep(wire, 0, wire.length, query.hash, query.type, set)
}

/** A name that exists: what it has of the type, or that it has nothing of it (RFC 2308, 2.2). */
function answerNode(reply: Reply, knowledge: Knowledge, node: NameNode): void {
  const { zone } = node
  const atTop = node.wire.length === zone.wire.length
  let code: number = rcode.NOERROR
  if (query.type === recordType.SOA && atTop) {
    addSoa(reply, query.nameLength > 1 ? headerSize : 0, knowledge.names.serial, zone.ttl, 'answers')
  } else if (query.type === recordType.NS && atTop && zone.kind !== 'localhost') {
    addNs(reply, zone.ttl)
    // The server that is named there is the zone's own name: what a client would ask for next (RFC 1034, 4.3.2).
    if (node.a !== undefined) addHelp(reply, node.wire, node.a)
    if (node.aaaa !== undefined) addHelp(reply, node.wire, node.aaaa)
  } else code = addAnswers(reply, knowledge, node)
  if (reply.answers === 0 && !reply.overflow) addZoneSoa(reply, knowledge.names, zone)
  finish(reply, knowledge, flag.AA, code)
}

/** An alias has its target's addresses as its own: no CNAME, so that nobody has to resolve a second name. */
function answerAlias(reply: Reply, knowledge: Knowledge, target: NameNode | undefined): void {
  let code: number = rcode.NOERROR
  let node = target
  let last = target
  for (let links = 0; node?.target !== undefined && links < longestChain; links++) {
    last = node
    node = knowledge.names.get(node.target)
  }
  if (node === undefined) {
    const outside = last?.target !== undefined && knowledge.names.zoneOf(last.target) === undefined
    // What is asked elsewhere cannot be flat.
    if (outside && last?.cname !== undefined) addRecords(reply, last.cname)
    else code = rcode.NXDOMAIN
  } else if (node.target === undefined) code = addAnswers(reply, knowledge, node)
  if (reply.answers === 0 && !reply.overflow) {
    // For its client an alias is a zone of its own, with one name.
    addSoa(reply, headerSize, knowledge.names.serial, knowledge.ttl, 'authorities')
  }
  finish(reply, knowledge, flag.AA, code)
}

function answerMissing(reply: Reply, knowledge: Knowledge, zone: ZoneCut): Verdict {
  if (zone.kind === 'nothing') {
    noSuchName(reply, knowledge)
    return 'local'
  }
  if (zone.kind === 'localhost') {
    const top = knowledge.names.get(zone.wire)
    if (top !== undefined) {
      answerNode(reply, knowledge, top)
      return 'local'
    }
  }
  addZoneSoa(reply, knowledge.names, zone)
  finish(reply, knowledge, flag.AA, rcode.NXDOMAIN)
  return 'zone'
}

/** A name that exists nowhere, said as the root would say it; nobody is authoritative for that but the root. */
function noSuchName(reply: Reply, knowledge: Knowledge): void {
  addSoa(reply, 0, knowledge.names.serial, knowledge.ttl, 'authorities')
  finish(reply, knowledge, 0, rcode.NXDOMAIN)
}

/** The zone's name is the end of the question's: a pointer there spells it as the client did. */
function addZoneSoa(reply: Reply, names: Names, { wire, ttl }: ZoneCut): void {
  const owner = wire.length > 1 ? headerSize + query.nameLength - wire.length : 0
  addSoa(reply, owner, names.serial, ttl, 'authorities')
}

/** Adds what a name has of the type asked for; the rcode that goes with it. */
function addAnswers(reply: Reply, knowledge: Knowledge, node: NameNode): number {
  if (query.type === recordType.ANY) addRecords(reply, anyRefusal)
  else if (node.cname !== undefined && query.type !== recordType.CNAME)
    return addChain(reply, knowledge, node)
  else {
    const set = setOf(node)
    if (set !== undefined) addRecords(reply, set)
    if (set === node.srv && set !== undefined) addHosts(reply, knowledge, node)
  }
  return rcode.NOERROR
}

/** RFC 2782: the addresses that an SRV record leads to, where they are ours to give. */
function addHosts(reply: Reply, { names }: Knowledge, { hosts }: NameNode): void {
  if (reply.overflow) return
  for (const host of hosts) {
    const node = names.get(host)
    if (node?.a !== undefined) addHelp(reply, host, node.a)
    if (node?.aaaa !== undefined) addHelp(reply, host, node.aaaa)
  }
}

/** Longer chains of CNAMEs are circles. */
const longestChain = 8

/**
 * Adds a chain of CNAMEs inside our zones with what it leads to; where it leaves them, the client goes on (RFC 1034,
 * 4.3.2). Where it ends in nothing, that is what the rcode says (RFC 2308, 2.1).
 */
function addChain(reply: Reply, { names }: Knowledge, start: NameNode): number {
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
  const set = node === undefined ? undefined : setOf(node)
  if (set !== undefined) {
    addRecords(reply, set, owner)
    return rcode.NOERROR
  }
  const zone = target === undefined ? undefined : names.zoneOf(target)
  if (zone === start.zone) addZoneSoa(reply, names, zone)
  return node === undefined && zone !== undefined ? rcode.NXDOMAIN : rcode.NOERROR
}

function setOf(node: NameNode) {
  switch (query.type) {
    case recordType.A:
      return node.a
    case recordType.AAAA:
      return node.aaaa
    case recordType.PTR:
      return node.ptr
    case recordType.TXT:
      return node.text
    case recordType.SRV:
      return node.srv
    case recordType.CNAME:
      return node.cname
    default:
      return undefined
  }
}
