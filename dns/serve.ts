import { extendedError, rcode } from './codes.ts'
import type { Counts } from './counters.ts'
import { type DnsEmitter, describe, type QueryEvent } from './events.ts'
import type { Forwarded, Forwarder } from './forward.ts'
import { decodeQuery, flag, newQuery } from './message.ts'
import { newReply } from './reply.ts'
import { type Asker, type Knowledge, respond, respondError, type Verdict } from './respond.ts'

/** Sends the first `size` octets of a buffer that is used again as soon as the call returns. */
export type Send = (answer: Buffer, size: number) => void

export interface Server {
  /**
   * Answers one message: at once, or, if it is forwarded, when the promise ends, which never rejects. The message must
   * stay as it is until then.
   */
  serve(message: Buffer, asker: Asker, send: Send): Promise<void> | undefined
}

export interface Serving extends Server {
  /** Answers no further message; ends when those in flight are answered. */
  drain(): Promise<void>
}

interface Parts {
  knowledge: Knowledge
  forwarder: Forwarder
  counts: Counts
  emitter: DnsEmitter
}

/** What happens to every message, whatever socket it came from: answered, forwarded or dropped, counted and told. */
export function createServing({ knowledge, forwarder, counts, emitter }: Parts): Serving {
  const inFlight = new Set<Promise<void>>()
  let draining = false
  const reply = newReply()
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
  const decide = (message: Buffer, asker: Asker): Verdict => {
    if (draining) return 'drop'
    try {
      return respond(message, message.length, asker, knowledge, reply)
    } catch (error) {
      fault(error)
      return 'drop'
    }
  }

  const sendReply = (
    message: Buffer,
    asker: Asker,
    send: Send,
    source: 'view' | 'zone' | 'local' | 'refusal',
  ) => {
    const high = reply.buffer[2] as number
    if (((reply.buffer[3] as number) & 0xf) === rcode.NXDOMAIN) counts.noSuchName++
    if ((high & (flag.TC >> 8)) !== 0) counts.truncated++
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

  return {
    serve(message, asker, send) {
      counts.queries++
      if (asker.transport === 'tcp') counts.tcpQueries++
      const verdict = decide(message, asker)
      switch (verdict) {
        case 'drop':
          counts.dropped++
          return undefined
        case 'forward':
          return track(forward(message, asker, send))
        case 'refusal':
          counts.refused++
          break
        default:
          counts[verdict]++
      }
      sendReply(message, asker, send, verdict)
      return undefined
    },
    async drain() {
      draining = true
      while (inFlight.size > 0) await Promise.all(inFlight)
    },
  }
}
