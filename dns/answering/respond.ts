import { decodeQuery, flag, headerSize } from '../wire/decode-query.ts'
import { hashName, lastLabel } from '../wire/name.ts'
import { extendedError, rcode } from '../wire/rcodes.ts'
import { recordTypes } from '../wire/record-types.ts'
import { replyLimit } from '../wire/truncation.ts'
import { addKept, type Reply, startReply } from '../wire/write-reply.ts'
import { asSeen } from '../zones/granted-names.ts'
import { keptTypes, type NameNode, type NameTree } from '../zones/name-tree.ts'
import type { Asker } from './asker.ts'
import {
  finish,
  refuse,
  replyAlias,
  replyBelow,
  replyMissing,
  replyName,
  replyNoSuchName,
} from './fill-reply.ts'
import type { Knowledge } from './knowledge.ts'
import { findShort } from './short-names.ts'

/**
 * The fate of a query: send `reply` (`view`: an alias answered it; `zone`: our own data; `local`: a name that is
 * never asked elsewhere; `refusal`: an error), ask an upstream (`forward`), or nothing at all (`drop`).
 */
export type Verdict = 'view' | 'zone' | 'local' | 'refusal' | 'forward' | 'drop'

/**
 * Replies to a query as far as no upstream is needed for that. It has no state, and no side effect but the reply. It
 * never throws, whatever the packet holds, and for addresses and PTR allocates nothing.
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
  const { query } = reply
  const decoded = decodeQuery(message, size, query)
  if (decoded === 'drop') return 'drop'
  startReply(reply, message, replyLimit(query, asker.transport, knowledge.udpSize))
  if (decoded !== rcode.NOERROR) return refuse(reply, knowledge, decoded)
  const view = asker.client === undefined ? undefined : knowledge.views.get(asker.client)
  if (view === undefined && asker.client !== undefined && knowledge.unknownClients === 'refuse') {
    return refuse(reply, knowledge, rcode.REFUSED, extendedError.prohibited)
  }
  const { type, nameLength, hash } = query
  if (query.class !== 1 || type === recordTypes.AXFR.code || type === recordTypes.IXFR.code) {
    return refuse(reply, knowledge, rcode.REFUSED)
  }
  if (type === recordTypes.OPT.code || type === 0) return refuse(reply, knowledge, rcode.FORMERR)
  // Meta types other than ANY (RFC 6895, 3.1) ask for services that this server has not.
  if (type >= 128 && type < recordTypes.ANY.code) return refuse(reply, knowledge, rcode.NOTIMP)

  const alias = view?.table.find(message, headerSize, nameLength, hash)
  if (alias !== undefined) {
    const { target } = alias
    if (replyKept(reply, knowledge, target, 0, target.length, alias.hash)) return 'view'
    replyAlias(reply, knowledge, knowledge.names.find(target, 0, target.length, alias.hash))
    return 'view'
  }
  const granted = view?.granted
  // A view that does not see all of the zones gets replies of its own, which are not kept.
  if (granted === undefined) {
    if (replyKept(reply, knowledge, message, headerSize, nameLength, hash)) return 'zone'
  }
  const found = knowledge.names.find(message, headerSize, nameLength, hash)
  if (found !== undefined && granted === undefined) keepReply(reply, knowledge.names, found)
  const node = found === undefined || granted === undefined ? found : asSeen(found, granted)
  if (node !== undefined) {
    replyName(reply, knowledge, node)
    return node.zone.kind === 'localhost' ? 'local' : 'zone'
  }
  if (query.labels === 1) {
    const short = findShort(message, headerSize, knowledge, granted)
    if (short !== undefined) {
      replyAlias(reply, knowledge, short)
      return 'zone'
    }
  }
  const zone = knowledge.names.zoneOf(message, headerSize, nameLength)
  if (zone !== undefined) return replyMissing(reply, knowledge, zone)
  // No upstream knows what a single label means here, and none should learn that it was asked.
  if (query.labels === 1) {
    replyNoSuchName(reply, knowledge)
    return 'local'
  }
  // What is below a label of ours is ours too, and never leaves the machine.
  const end = headerSize + nameLength
  const last = lastLabel(message, headerSize, end)
  if (view?.table.find(message, last, end - last, hashName(message, last, end)) !== undefined) {
    replyBelow(reply, knowledge, last, view.between.find(message, headerSize, nameLength, hash) !== undefined)
    return 'view'
  }
  if (findShort(message, last, knowledge, granted) !== undefined) {
    replyBelow(reply, knowledge, last, false)
    return 'zone'
  }
  if (!knowledge.routes.asks(message, headerSize, nameLength)) {
    return refuse(reply, knowledge, rcode.REFUSED, extendedError.notAuthoritative)
  }
  if (view?.outside === false) return refuse(reply, knowledge, rcode.REFUSED, extendedError.prohibited)
  return 'forward'
}

/** Refuses a query that was to be forwarded, or tells the client by `flags` that the answer is too large. */
export function respondError(
  message: Buffer,
  asker: Asker,
  knowledge: Knowledge,
  reply: Reply,
  { code, reason, flags = 0 }: { code: number; reason?: number; flags?: number },
): void {
  const { query } = reply
  if (decodeQuery(message, message.length, query) === 'drop') {
    throw new RangeError('an answer is never answered')
  }
  startReply(reply, message, replyLimit(query, asker.transport, knowledge.udpSize))
  finish(reply, knowledge, flags, code, reason)
}

/** Replies from the kept replies, if this one is among them. */
function replyKept(
  reply: Reply,
  knowledge: Knowledge,
  octets: Buffer,
  start: number,
  length: number,
  hash: number,
): boolean {
  const { kept } = knowledge.names
  const at = kept.find(octets, start, length, hash, reply.query.type)
  if (at === 0) return false
  addKept(reply, kept, at)
  finish(reply, knowledge, flag.AA, rcode.NOERROR)
  return true
}

/** Keeps a plain reply: records of the name itself, which are the same for every client that sees the zone. */
function keepReply({ query }: Reply, { kept }: NameTree, node: NameNode): void {
  const { wire, cname, zone } = node
  const { type, hash } = query
  if (cname !== undefined || zone.kind === 'localhost' || !keptTypes.includes(type)) return
  const set = node.recordsOf(type)
  if (set !== undefined) kept.keep(wire, 0, wire.length, hash, type, set)
}
