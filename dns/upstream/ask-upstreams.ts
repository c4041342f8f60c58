import { randomInt } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { deadline } from '../deadline.ts'
import { DnsError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { flag, headerSize } from '../wire/decode-query.ts'
import { rcode } from '../wire/rcodes.ts'
import { askTcp, askUdp, type Question } from './exchange.ts'
import { ForwardQueue } from './forward-queue.ts'
import { createLoopGuard } from './loop-guard.ts'
import type { Routes } from './routes.ts'
import { type Upstream, upstreamKey } from './upstream.ts'

/**
 * The outcome of a forwarded query. `answer` is the upstream's, octet by octet, with the id of the client's query; if
 * it came over TCP, `short` is the truncated answer that came over UDP. `overload`: too many queries wait, this one was
 * not sent. `unreachable`: no upstream answered. `loop`: the query is a probe that we had sent to an upstream.
 */
export type Forwarded =
  | { kind: 'answer'; answer: Buffer; short?: Buffer; upstream: Upstream }
  | { kind: 'overload' }
  | { kind: 'loop' }
  | { kind: 'unreachable'; cause: unknown }

export interface ForwarderOptions {
  /** Gives the upstreams of each query. */
  routes: Pick<Routes, 'upstreamsFor'>
  limits: Limits
  clock: Clock
  /** Called for each upstream that is found to ask this server in turn. */
  loop: (error: DnsError) => void
}

export interface Forwarder {
  /**
   * @param questionEnd the offset in `message` at which its question ends
   * @param client its address, for the limit of each client
   */
  forward(message: Buffer, questionEnd: number, client: string): Promise<Forwarded>
  /** The number of queries that wait for an answer. */
  readonly waiting: number
  /** Aborts everything: queries that wait become `unreachable`. */
  close(): void
}

/** A query that is to be asked for a client. */
interface Waiting {
  readonly message: Buffer
  readonly questionEnd: number
  readonly client: string
}

type UpstreamAnswer = { answer: Buffer; short?: Buffer; upstream: Upstream }

/** Asks upstreams, one after the other, within limits and deadlines. Equal queries in flight are asked once. */
export function createForwarder({ routes, limits, clock, loop }: ForwarderOptions): Forwarder {
  const flights = new Map<string, Promise<UpstreamAnswer>>()
  const queue = new ForwardQueue(limits)
  /** Upstreams that did not answer lately, each with the time of its next trial. */
  const paused = new Map<string, number>()
  const closing = new AbortController()
  const guard = createLoopGuard({ limits, clock, closing: closing.signal, found: loop })
  const start = (message: Buffer, questionEnd: number, time: number): Promise<UpstreamAnswer> => {
    // All but the id: two queries are equal if an upstream could not tell them apart.
    const key = message.toString('latin1', 2)
    const inFlight = flights.get(key)
    if (inFlight !== undefined) return inFlight
    const flight = askAll({ message: Buffer.from(message), questionEnd }, time).finally(() =>
      flights.delete(key),
    )
    flights.set(key, flight)
    return flight
  }

  /** Asks an upstream that was silent, though another has answered: once it answers too, it has its place again. */
  const tryAside = async (upstream: Upstream, question: Question): Promise<void> => {
    const key = upstreamKey(upstream)
    paused.set(key, clock.now() + limits.upstreamPause)
    using limit = deadline(clock, limits.upstream, closing.signal)
    using _watched = guard.watch(upstream, limit)
    guard.probe(upstream)
    try {
      await askOne(upstream, question, limit.signal)
      paused.delete(key)
    } catch {
      // It is tried again when the pause is over.
      guard.suspect(upstream)
    }
  }

  /** Puts upstreams that were silent lately last. They are not left out, for there may be no others. */
  const inOrder = (upstreams: readonly Upstream[]): readonly Upstream[] => {
    if (paused.size === 0) return upstreams
    const isPaused = (upstream: Upstream) => (paused.has(upstreamKey(upstream)) ? 1 : 0)
    return [...upstreams].sort((a, b) => isPaused(a) - isPaused(b))
  }

  const trySilent = (upstreams: readonly Upstream[], question: Question): void => {
    for (const upstream of upstreams) {
      const due = paused.get(upstreamKey(upstream))
      if (due !== undefined && due <= clock.now() && !guard.loops(upstream)) void tryAside(upstream, question)
    }
  }

  /** @param time milliseconds that are left for it */
  const askAll = async (question: Question, time: number): Promise<UpstreamAnswer> => {
    using total = deadline(clock, time, closing.signal)
    let refusal: UpstreamAnswer | undefined
    let cause: unknown = new DnsError('UPSTREAM_FAILED', 'there is no upstream to ask')
    const { message, questionEnd } = question
    const all = routes.upstreamsFor(message, headerSize, questionEnd - 4 - headerSize)
    let round = inOrder(all).filter((upstream) => !guard.loops(upstream))
    // Upstreams that were silent are asked once more: a datagram may have been lost.
    for (let left = 2; left > 0 && round.length > 0; left--) {
      const silent: Upstream[] = []
      for (const upstream of round) {
        using each = deadline(clock, limits.upstream, total.signal)
        using _watched = guard.watch(upstream, each)
        guard.probe(upstream)
        try {
          const answered = await askOne(upstream, question, each.signal)
          paused.delete(upstreamKey(upstream))
          if (!isRefusal(answered.answer)) {
            if (paused.size > 0) trySilent(all, question)
            return answered
          }
          refusal = answered
        } catch (error) {
          cause = error
          if (total.signal.aborted) break
          // It was found to ask us while we waited, and would be silent for ever.
          if (guard.loops(upstream)) continue
          guard.suspect(upstream)
          paused.set(upstreamKey(upstream), clock.now() + limits.upstreamPause)
          if (each.signal.aborted) silent.push(upstream)
        }
      }
      if (total.signal.aborted || refusal !== undefined) break
      round = silent
    }
    if (refusal !== undefined) return refusal
    throw cause
  }

  /**
   * Asks for a query that has its turn, and gives the turn back.
   * @param time milliseconds that are left for it
   * @param late rejects when they are over
   */
  const ask = async (
    { message, questionEnd, client }: Waiting,
    time: number,
    late?: Promise<never>,
  ): Promise<Forwarded> => {
    try {
      const flight = start(message, questionEnd, time)
      const { answer, short, upstream } = await (late === undefined ? flight : Promise.race([flight, late]))
      const id = message.readUInt16BE(0)
      return {
        kind: 'answer',
        answer: withId(answer, id),
        ...(short === undefined ? {} : { short: withId(short, id) }),
        upstream,
      }
    } catch (cause) {
      return { kind: 'unreachable', cause }
    } finally {
      queue.end(client)
    }
  }

  /** Asks once the client's turn has come. Its client gives up after `limits.forward` in all. */
  const askLater = async (query: Waiting): Promise<Forwarded> => {
    const arrived = clock.now()
    using limit = deadline(clock, limits.forward, closing.signal)
    const turn = queue.wait(query.client, limit.signal)
    if (turn === undefined) return { kind: 'overload' }
    try {
      await turn
    } catch (cause) {
      return { kind: 'unreachable', cause }
    }
    // An equal question may be in flight that has more time left than this one.
    const { promise: late, reject } = Promise.withResolvers<never>()
    limit.signal.addEventListener('abort', () => reject(limit.signal.reason))
    return await ask(query, limits.forward - (clock.now() - arrived), late)
  }

  return {
    get waiting() {
      return queue.size
    },
    async forward(message, questionEnd, client) {
      if (guard.isOwn(message, questionEnd)) return { kind: 'loop' }
      if (closing.signal.aborted) return { kind: 'unreachable', cause: closing.signal.reason }
      const query = { message, questionEnd, client }
      return queue.begin(client) ? ask(query, limits.forward) : askLater(query)
    },
    close() {
      closing.abort(new DnsError('CLOSED', 'the DNS server is closed'))
    },
  }
}

/** Asks one upstream over UDP, and over TCP if the answer did not fit. */
async function askOne(
  upstream: Upstream,
  { message, questionEnd }: Question,
  signal: AbortSignal,
): Promise<UpstreamAnswer> {
  const question = { message: withId(message, randomInt(0x10000)), questionEnd }
  const answer = await askUdp(upstream, question, signal)
  if ((answer.readUInt16BE(2) & flag.TC) === 0) return { answer, upstream }
  try {
    return { answer: await askTcp(upstream, question, signal), short: answer, upstream }
  } catch {
    // There is no TCP. The truncated answer, which says that it is truncated, is still true.
    return { answer, upstream }
  }
}

/** SERVFAIL and REFUSED say something about that server, not about the name: another may know. */
function isRefusal(answer: Buffer): boolean {
  const code = answer.readUInt16BE(2) & 0xf
  return code === rcode.SERVFAIL || code === rcode.REFUSED
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}
