import type { Counts } from '../counters.ts'
import { type DnsEmitter, describe, type QueryEvent } from '../events.ts'
import type { Forwarded, Forwarder } from '../upstream/forward.ts'
import { decodeQuery, flag, newQuery } from '../wire/decode-query.ts'
import { extendedError, rcode } from '../wire/rcodes.ts'
import { newReply, type Reply } from '../wire/write-reply.ts'
import { type Asker, type Knowledge, respond, respondError, type Verdict } from './respond.ts'

/** Sends the first `size` octets of a buffer that is used again as soon as the call returns. */
export type Send = (answer: Buffer, size: number) => void

export interface Server {
  /**
   * Answers one message: at once, or, if it is forwarded, when the promise ends, which never rejects. The message must
   * stay as it is until then.
   */
  serve(message: Buffer, asker: Asker, send: Send): Promise<void> | undefined
  /**
   * Answers the message in the first `size` octets of a buffer by writing over it. Returns how long the answer is; 0 if
   * there is none, or if it comes later, which is when `source` is asked how to send it. Of what may change after the
   * call nothing is kept.
   */
  answer(packet: Buffer, size: number, asker: Asker, source: { later(): Send }): number
}

export interface Serving extends Server {
  /** Answers no further message; ends when those in flight are answered. */
  drain(): Promise<void>
}

/** Where an answer of ours came from. */
type Answered = Exclude<Verdict, 'forward' | 'drop'>

interface Parts {
  knowledge: Knowledge
  forwarder: Forwarder
  counts: Counts
  emitter: DnsEmitter
  beforeAnswer?: (() => void) | undefined
}

/** What happens to every message, whatever socket it came from: answered, forwarded or dropped, counted and told. */
export function createServing({ knowledge, forwarder, counts, emitter, beforeAnswer }: Parts): Serving {
  const inFlight = new Set<Promise<void>>()
  let draining = false
  const reply = newReply()
  const inPlace: { -readonly [Key in keyof Reply]: Reply[Key] } = newReply(Buffer.alloc(0))
  const query = newQuery()

  const fault = (error: unknown) => {
    counts.errors++
    emitter.emit('error', error instanceof Error ? error : new Error(String(error)))
  }

  const tell = (
    message: Buffer,
    asker: Asker,
    answer: Buffer,
    source: QueryEvent['source'],
    upstream?: string,
  ) => {
    if (emitter.listenerCount('query') === 0) return
    try {
      emitter.emit('query', describe(message, asker, answer, source, upstream))
    } catch (error) {
      // A listener's fault is told of, and is not the next client's.
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

  const countReply = ({ buffer }: Reply) => {
    if (((buffer[3] as number) & 0xf) === rcode.NXDOMAIN) counts.noSuchName++
    if (((buffer[2] as number) & (flag.TC >> 8)) !== 0) counts.truncated++
  }

  const sendReply = (message: Buffer, asker: Asker, send: Send, source: Answered) => {
    countReply(reply)
    send(reply.buffer, reply.length)
    tell(message, asker, reply.buffer, source)
  }

  /** What an upstream said, or why nobody did. */
  const finishForward = (message: Buffer, asker: Asker, send: Send, forwarded: Forwarded) => {
    if (forwarded.kind === 'answer') {
      const { answer, short, upstream } = forwarded
      counts.forwarded++
      decodeQuery(message, message.length, query)
      // The upstream kept to what the client takes; what came over TCP instead may be more.
      const sent = asker.transport === 'udp' && answer.length > query.udpSize ? short : answer
      if (sent !== undefined) {
        send(sent, sent.length)
        tell(message, asker, sent, 'upstream', `${upstream.address} ${upstream.port}`)
        return
      }
      respondError(message, asker, knowledge, reply, { code: rcode.NOERROR, flags: flag.TC })
    } else if (forwarded.kind === 'overload' || forwarded.kind === 'loop') {
      counts[forwarded.kind === 'loop' ? 'refused' : 'overloaded']++
      respondError(message, asker, knowledge, reply, { code: rcode.REFUSED })
    } else {
      counts.unreachable++
      const reason = extendedError.noReachableAuthority
      respondError(message, asker, knowledge, reply, { code: rcode.SERVFAIL, reason })
    }
    sendReply(message, asker, send, 'refusal')
  }

  const forward = async (message: Buffer, asker: Asker, send: Send) => {
    try {
      decodeQuery(message, message.length, query)
      finishForward(
        message,
        asker,
        send,
        await forwarder.forward(message, query.questionEnd, asker.client ?? ''),
      )
    } catch (error) {
      fault(error)
    }
  }

  const track = (answering: Promise<void>) => {
    inFlight.add(answering)
    return answering.finally(() => inFlight.delete(answering))
  }

  /** Counts a message, by what becomes of it. */
  const count = (verdict: Verdict) => {
    counts.queries++
    if (verdict === 'drop') counts.dropped++
    else if (verdict === 'refusal') counts.refused++
    else if (verdict !== 'forward') counts[verdict]++
  }

  return {
    serve(message, asker, send) {
      if (asker.transport === 'tcp') counts.tcpQueries++
      const verdict = decide(message, message.length, asker, reply)
      count(verdict)
      if (verdict === 'drop') return undefined
      if (verdict === 'forward') return track(forward(message, asker, send))
      sendReply(message, asker, send, verdict)
      return undefined
    },
    answer(packet, size, asker, source) {
      const octets = Math.min(size, packet.length)
      // Listeners are told the question too, over which the answer is written.
      const told = emitter.listenerCount('query') > 0
      const message = told ? Buffer.from(packet.subarray(0, octets)) : packet
      inPlace.buffer = packet
      const verdict = decide(message, octets, asker, inPlace)
      count(verdict)
      if (verdict === 'drop') return 0
      if (verdict === 'forward') {
        const kept = told ? message : Buffer.from(packet.subarray(0, octets))
        void track(forward(kept, { ...asker }, source.later()))
        return 0
      }
      countReply(inPlace)
      if (told) tell(message, asker, packet, verdict)
      return inPlace.length
    },
    async drain() {
      draining = true
      while (inFlight.size > 0) await Promise.all(inFlight)
    },
  }
}
