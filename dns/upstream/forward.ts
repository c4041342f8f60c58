import { randomInt } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { deadline } from '../deadline.ts'
import { DnsError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { flag, headerSize } from '../wire/decode-query.ts'
import { rcode } from '../wire/rcodes.ts'
import { askTcp, askUdp, type Question } from './ask-upstream.ts'
import { createLoopGuard } from './loop-guard.ts'
import type { Routes } from './routes.ts'
import { type Upstream, upstreamKey } from './upstream.ts'

/**
 * What came of a forwarded query. `answer` is the upstream's, octet by octet, with the id of whoever asked; where it
 * was fetched over TCP, `short` is what fitted over UDP. `overload`: nobody was asked. `unreachable`: nobody answered.
 * `loop`: the query is one that we had asked an upstream.
 */
export type Forwarded =
  | { kind: 'answer'; answer: Buffer; short?: Buffer; upstream: Upstream }
  | { kind: 'overload' }
  | { kind: 'loop' }
  | { kind: 'unreachable'; cause: unknown }

export interface ForwarderOptions {
  /** Whom to ask; asked anew at each query. */
  routes: Pick<Routes, 'upstreamsFor'>
  limits: Limits
  clock: Clock
  /** Is told of an upstream that asks this server in turn. */
  loop: (error: DnsError) => void
}

export interface Forwarder {
  /** @param questionEnd where the question of `message` ends; @param client its address, for the share that it may have */
  forward(message: Buffer, questionEnd: number, client: string): Promise<Forwarded>
  /** Queries that wait for an answer. */
  readonly waiting: number
  /** Calls everything off: what waits becomes `unreachable`. */
  close(): void
}

type Found = { answer: Buffer; short?: Buffer; upstream: Upstream }

/** Asks upstreams: equal queries in flight once, one upstream after the other, within limits and deadlines. */
export function createForwarder({ routes, limits, clock, loop }: ForwarderOptions): Forwarder {
  const flights = new Map<string, Promise<Found>>()
  const shares = new Map<string, number>()
  const paused = new Map<string, number>()
  const closing = new AbortController()
  const guard = createLoopGuard({ limits, clock, closing: closing.signal, found: loop })
  let waiting = 0

  const start = (message: Buffer, questionEnd: number): Promise<Found> => {
    // All but the id: two queries are equal if an upstream could not tell them apart.
    const key = message.toString('latin1', 2)
    const known = flights.get(key)
    if (known !== undefined) return known
    const flight = askAll({ message: Buffer.from(message), questionEnd }).finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }

  const askAll = async (question: Question): Promise<Found> => {
    using total = deadline(clock, limits.forward, closing.signal)
    let refusal: Found | undefined
    let cause: unknown = new DnsError('UPSTREAM_FAILED', 'there is no upstream to ask')
    const { message, questionEnd } = question
    const all = routes.upstreamsFor(message, headerSize, questionEnd - 4 - headerSize)
    let round = inOrder(all, paused, clock.now()).filter((upstream) => !guard.loops(upstream))
    // Who was silent is asked once more: a datagram may have been lost.
    for (let left = 2; left > 0 && round.length > 0; left--) {
      const silent: Upstream[] = []
      for (const upstream of round) {
        using each = deadline(clock, limits.upstream, total.signal)
        using _watched = guard.watch(upstream, each)
        guard.probe(upstream)
        try {
          const found = await askOne(upstream, question, each.signal)
          paused.delete(upstreamKey(upstream))
          if (!isRefusal(found.answer)) return found
          refusal = found
        } catch (error) {
          cause = error
          if (total.signal.aborted) break
          // Found to ask us while we waited: it would be silent for ever.
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

  return {
    get waiting() {
      return waiting
    },
    async forward(message, questionEnd, client) {
      if (guard.isOwn(message, questionEnd)) return { kind: 'loop' }
      const share = shares.get(client) ?? 0
      if (waiting >= limits.forwards || share >= limits.forwardsPerClient) return { kind: 'overload' }
      if (closing.signal.aborted) return { kind: 'unreachable', cause: closing.signal.reason }
      waiting++
      shares.set(client, share + 1)
      try {
        const { answer, short, upstream } = await start(message, questionEnd)
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
        waiting--
        const rest = (shares.get(client) ?? 1) - 1
        if (rest === 0) shares.delete(client)
        else shares.set(client, rest)
      }
    },
    close() {
      closing.abort(new DnsError('CLOSED', 'the DNS server is closed'))
    },
  }
}

/** Asks one upstream: over UDP, and over TCP what did not fit. */
async function askOne(
  upstream: Upstream,
  { message, questionEnd }: Question,
  signal: AbortSignal,
): Promise<Found> {
  const question = { message: withId(message, randomInt(0x10000)), questionEnd }
  const answer = await askUdp(upstream, question, signal)
  if ((answer.readUInt16BE(2) & flag.TC) === 0) return { answer, upstream }
  try {
    return { answer: await askTcp(upstream, question, signal), short: answer, upstream }
  } catch {
    // No TCP there. What fitted, and that it is not all, is still the truth.
    return { answer, upstream }
  }
}

/** SERVFAIL and REFUSED say something about that server, not about the name: another may know. */
function isRefusal(answer: Buffer): boolean {
  const code = answer.readUInt16BE(2) & 0xf
  return code === rcode.SERVFAIL || code === rcode.REFUSED
}

/** Upstreams that were silent lately go last; they are not left out, for there may be no others. */
function inOrder(
  upstreams: readonly Upstream[],
  paused: ReadonlyMap<string, number>,
  now: number,
): readonly Upstream[] {
  const rests = (upstream: Upstream) => ((paused.get(upstreamKey(upstream)) ?? 0) > now ? 1 : 0)
  return paused.size === 0 ? upstreams : [...upstreams].sort((a, b) => rests(a) - rests(b))
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}
