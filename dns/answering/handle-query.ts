import type { Counts } from '../counters.ts'
import { DnsError } from '../errors.ts'
import type { DnsEmitter, QueryEvent } from '../events.ts'
import type { Forwarded, Forwarder } from '../upstream/ask-upstreams.ts'
import { decodeQuery, flag, newQuery, type Query } from '../wire/decode-query.ts'
import { extendedError, rcode } from '../wire/rcodes.ts'
import { newReply, type Reply } from '../wire/write-reply.ts'
import type { Asker } from './asker.ts'
import type { Knowledge } from './knowledge.ts'
import { addChainEnd, chainQuery, mostChains, rewrittenQuery, wantsChainEnd } from './outside-chain.ts'
import { queryEvent } from './query-event.ts'
import { respond, respondError, type Verdict } from './respond.ts'

/** Sends the first `size` octets of a buffer that is used again as soon as the call returns. */
export type Send = (reply: Buffer, size: number) => void

/** Handles every message, whatever socket it came from: replies to it, forwards or drops it, counts and reports it. */
export interface QueryHandler {
  /**
   * Handles one message: at once, or, if it is forwarded, until the promise ends, which never rejects. The message must
   * stay as it is until then.
   */
  handle(message: Buffer, asker: Asker, send: Send): Promise<void> | undefined
  /**
   * Handles the message in the first `size` octets of a buffer by writing the reply over it. Keeps no reference to
   * the arguments. If the reply comes later, `source` is asked how to send it.
   * @returns the size of the reply; 0 if there is none, or if it comes later
   */
  handleInPlace(packet: Buffer, size: number, asker: Asker, source: { later(): Send }): number
  /** Handles no further message; ends when those in flight have their replies. */
  drain(): Promise<void>
}

/** The origin of a reply of ours. */
type Source = Exclude<Verdict, 'forward' | 'drop'>

/** An answer, or why there is none; `refusal` if we do not answer such a query, nor ask for it. */
type Whole =
  | { readonly kind: 'answer'; readonly answer: Buffer }
  | { readonly kind: Unanswered }
  | { readonly kind: 'refusal' }
type Unanswered = Exclude<Forwarded['kind'], 'answer'>

/** The counter of each of them. */
const fates = { overload: 'overloaded', loop: 'refused', unreachable: 'unreachable' } as const

function isOurs(verdict: Verdict): verdict is 'view' | 'zone' {
  return verdict === 'view' || verdict === 'zone'
}

export interface QueryHandlerOptions {
  knowledge: Knowledge
  forwarder: Forwarder
  counts: Counts
  emitter: DnsEmitter
  beforeAnswer?: (() => void) | undefined
}

export function createQueryHandler({
  knowledge,
  forwarder,
  counts,
  emitter,
  beforeAnswer,
}: QueryHandlerOptions): QueryHandler {
  const inFlight = new Set<Promise<void>>()
  let draining = false
  const reply = newReply()
  const inPlace: { -readonly [Key in keyof Reply]: Reply[Key] } = newReply(Buffer.alloc(0))
  const forwardedQuery = newQuery()
  let chainReply: Reply | undefined

  const fault = (error: unknown) => {
    counts.errors++
    emitter.emit('error', error instanceof Error ? error : new Error(String(error)))
  }

  const report = (
    message: Buffer,
    query: Query,
    asker: Asker,
    sent: Buffer,
    source: QueryEvent['source'],
    upstream?: string,
  ) => {
    if (emitter.listenerCount('query') === 0) return
    try {
      emitter.emit('query', queryEvent(message, query, asker, sent, source, upstream))
    } catch (error) {
      // A fault of a listener must not stop the server.
      fault(error)
    }
  }

  /** No packet makes `respond` throw, as far as we know; if one does, it must not end the process. */
  const decide = (message: Buffer, size: number, asker: Asker, into: Reply): Verdict => {
    if (draining) return 'drop'
    try {
      beforeAnswer?.()
      return respond(message, size, asker, knowledge, into)
    } catch (error) {
      fault(error)
      return 'drop'
    }
  }

  const countReply = (buffer: Buffer) => {
    if (((buffer[3] as number) & 0xf) === rcode.NXDOMAIN) counts.noSuchName++
    if (((buffer[2] as number) & (flag.TC >> 8)) !== 0) counts.truncated++
  }

  const sendReply = (message: Buffer, asker: Asker, send: Send, source: Source) => {
    countReply(reply.buffer)
    send(reply.buffer, reply.length)
    report(message, reply.query, asker, reply.buffer, source)
  }

  /** Passes the answer of an upstream on to the client, or an error if there is none. */
  const finishForward = (message: Buffer, asker: Asker, send: Send, forwarded: Forwarded) => {
    if (forwarded.kind === 'answer') {
      const { answer, short, upstream } = forwarded
      counts.forwarded++
      decodeQuery(message, message.length, forwardedQuery)
      // The upstream kept to what the client takes; an answer that came over TCP instead may be longer.
      const sent = asker.transport === 'udp' && answer.length > forwardedQuery.udpSize ? short : answer
      if (sent !== undefined) {
        send(sent, sent.length)
        report(message, forwardedQuery, asker, sent, 'upstream', `${upstream.address} ${upstream.port}`)
        return
      }
      respondError(message, asker, knowledge, reply, { code: rcode.NOERROR, flags: flag.TC })
    } else replyUnanswered(message, asker, forwarded.kind)
    sendReply(message, asker, send, 'refusal')
  }

  /** Replies to, and counts, a query to which no upstream had an answer. */
  const replyUnanswered = (message: Buffer, asker: Asker, why: Unanswered) => {
    counts[fates[why]]++
    const failure =
      why === 'unreachable'
        ? { code: rcode.SERVFAIL, reason: extendedError.noReachableAuthority }
        : { code: rcode.REFUSED }
    respondError(message, asker, knowledge, reply, failure)
  }

  /** Answers a query as its client would be answered, with the end of a chain that leaves our zones. */
  const answerWhole = async (message: Buffer, asker: Asker, chains: number): Promise<Whole> => {
    chainReply ??= newReply()
    const into = chainReply
    const respondAgain = () => respond(message, message.length, asker, knowledge, into)
    const copy = () => Buffer.from(into.buffer.subarray(0, into.length))
    const verdict = respondAgain()
    const { outside } = into
    if (verdict === 'drop') return { kind: 'refusal' }
    if (verdict === 'forward') {
      return await forwarder.forward(message, into.query.questionEnd, asker.client ?? '')
    }
    if (outside === undefined || !wantsChainEnd(into, knowledge)) {
      return verdict === 'refusal' ? { kind: 'refusal' } : { kind: 'answer', answer: copy() }
    }
    if (chains === mostChains) return { kind: 'unreachable' }
    const query = chainQuery(into, outside, knowledge.udpSize)
    const end = await answerWhole(query, { client: asker.client, transport: 'tcp' }, chains + 1)
    if (end.kind !== 'answer' && end.kind !== 'refusal') return end
    // `into` has served other queries meanwhile, and the zones may have changed.
    const now = respondAgain()
    if (now === 'drop' || now === 'forward') return { kind: 'unreachable' }
    // Where nobody may be asked for it, the client gets the chain alone.
    if (end.kind === 'answer' && into.outside?.equals(outside)) addChainEnd(into, knowledge, end.answer)
    return { kind: 'answer', answer: copy() }
  }

  const finishChain = async (message: Buffer, asker: Asker, send: Send, source: 'view' | 'zone') => {
    try {
      const whole = await answerWhole(message, asker, 0).catch((error) => {
        // What the upstream sent for the end of the chain may be malformed.
        if (!(error instanceof DnsError)) fault(error)
        return { kind: 'unreachable' } as const
      })
      if (whole.kind === 'answer') {
        counts[source]++
        countReply(whole.answer)
        send(whole.answer, whole.answer.length)
        decodeQuery(message, message.length, forwardedQuery)
        report(message, forwardedQuery, asker, whole.answer, source)
        return
      }
      replyUnanswered(message, asker, whole.kind === 'refusal' ? 'unreachable' : whole.kind)
      sendReply(message, asker, send, 'refusal')
    } catch (error) {
      fault(error)
    }
  }

  const forward = async (message: Buffer, questionEnd: number, asker: Asker, send: Send) => {
    try {
      const forwarded = await forwarder.forward(message, questionEnd, asker.client ?? '')
      finishForward(message, asker, send, forwarded)
    } catch (error) {
      fault(error)
    }
  }

  const track = (forwarding: Promise<void>) => {
    inFlight.add(forwarding)
    return forwarding.finally(() => inFlight.delete(forwarding))
  }

  /** Counts a message by its fate. */
  const count = (verdict: Verdict) => {
    counts.queries++
    if (verdict === 'drop') counts.dropped++
    else if (verdict === 'refusal') counts.refused++
    else if (verdict !== 'forward') counts[verdict]++
  }

  return {
    handle(message, asker, send) {
      if (asker.transport === 'tcp') counts.tcpQueries++
      const verdict = decide(message, message.length, asker, reply)
      if (isOurs(verdict) && wantsChainEnd(reply, knowledge)) {
        counts.queries++
        return track(finishChain(message, asker, send, verdict))
      }
      count(verdict)
      if (verdict === 'drop') return undefined
      if (verdict === 'forward') return track(forward(message, reply.query.questionEnd, asker, send))
      sendReply(message, asker, send, verdict)
      return undefined
    },
    handleInPlace(packet, size, asker, source) {
      const octets = Math.min(size, packet.length)
      // Listeners get the question too, over which the reply is written.
      const reported = emitter.listenerCount('query') > 0
      const message = reported ? Buffer.from(packet.subarray(0, octets)) : packet
      inPlace.buffer = packet
      const verdict = decide(message, octets, asker, inPlace)
      if (isOurs(verdict) && wantsChainEnd(inPlace, knowledge)) {
        counts.queries++
        void track(finishChain(rewrittenQuery(inPlace), { ...asker }, source.later(), verdict))
        return 0
      }
      count(verdict)
      if (verdict === 'drop') return 0
      if (verdict === 'forward') {
        const copy = reported ? message : Buffer.from(packet.subarray(0, octets))
        void track(forward(copy, inPlace.query.questionEnd, { ...asker }, source.later()))
        return 0
      }
      countReply(packet)
      if (reported) report(message, inPlace.query, asker, packet, verdict)
      return inPlace.length
    },
    async drain() {
      draining = true
      while (inFlight.size > 0) await Promise.all(inFlight)
    },
  }
}
