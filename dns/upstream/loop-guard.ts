import { randomBytes, randomInt } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { type Deadline, deadline } from '../deadline.ts'
import { DnsError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { headerSize } from '../wire/decode-query.ts'
import { encodeQuery } from '../wire/encode-query.ts'
import { sameName, wireName } from '../wire/name.ts'
import { recordTypes } from '../wire/record-types.ts'
import { askUdp } from './exchange.ts'
import { type Upstream, upstreamKey } from './upstream.ts'

export interface LoopGuardOptions {
  limits: Limits
  clock: Clock
  closing: AbortSignal
  /** Called for each upstream that is found to ask this server. */
  found: (error: DnsError) => void
}

/**
 * Finds upstreams that ask this server in turn, as the host's own resolver may when it was pointed here: a query would
 * go round until it times out. To find out, each upstream is asked for a random name, as CoreDNS does, when it is first
 * used and after it was silent. If the question arrives here, it has gone round.
 */
export interface LoopGuard {
  /** Asks an upstream for a random name, if that is due. Does not wait for the answer. */
  probe(upstream: Upstream): void
  /** Has an upstream that was silent probed when it is used again. */
  suspect(upstream: Upstream): void
  /** Tells whether this message is one of our own probes. If it is, its upstream is left out from then on. */
  isOwn(message: Buffer, questionEnd: number): boolean
  /** Tells whether an upstream is left out at the moment. */
  loops(upstream: Upstream): boolean
  /** Aborts an attempt as soon as its upstream is found to ask us. */
  watch(upstream: Upstream, attempt: Deadline): Disposable
}

export function createLoopGuard({ limits, clock, closing, found }: LoopGuardOptions): LoopGuard {
  /** The name of the probe that each upstream is asked at the moment. */
  const probes = new Map<Upstream, Buffer>()
  /** Upstreams that were probed and not silent since. */
  const probed = new Set<string>()
  /** Upstreams that are left out, each with the time until then. */
  const looping = new Map<string, number>()
  const attempts = new Map<string, Set<Deadline>>()

  const ask = async (upstream: Upstream) => {
    const name = wireName(`${randomBytes(12).toString('hex')}.moorage-loop-check`)
    probes.set(upstream, name)
    using limit = deadline(clock, limits.upstream, closing)
    const message = encodeQuery(name, recordTypes.HINFO.code, randomInt(0x10000), limits.udpSize)
    try {
      await askUdp(upstream, { message, questionEnd: headerSize + name.length + 4 }, limit.signal)
    } catch {
      // An upstream that does not answer sends nothing round.
    } finally {
      if (probes.get(upstream) === name) probes.delete(upstream)
    }
  }

  const convict = (upstream: Upstream) => {
    const key = upstreamKey(upstream)
    const error = new DnsError(
      'FORWARD_LOOP',
      `the upstream ${key} asks this server in turn: it is left out for ${limits.loopPause / 1000} s`,
    )
    probes.delete(upstream)
    probed.delete(key)
    looping.set(key, clock.now() + limits.loopPause)
    for (const attempt of attempts.get(key) ?? []) attempt.abort(error)
    found(error)
  }

  return {
    probe(upstream) {
      const key = upstreamKey(upstream)
      if (probed.has(key)) return
      probed.add(key)
      void ask(upstream)
    },
    suspect: (upstream) => void probed.delete(upstreamKey(upstream)),
    isOwn(message, questionEnd) {
      const length = questionEnd - 4 - headerSize
      for (const [upstream, name] of probes) {
        if (name.length !== length || !sameName(message, headerSize, name, 0, length)) continue
        convict(upstream)
        return true
      }
      return false
    },
    loops(upstream) {
      const until = looping.get(upstreamKey(upstream))
      if (until === undefined) return false
      if (until > clock.now()) return true
      looping.delete(upstreamKey(upstream))
      return false
    },
    watch(upstream, attempt) {
      const key = upstreamKey(upstream)
      const watched = attempts.get(key) ?? new Set()
      attempts.set(key, watched.add(attempt))
      return {
        [Symbol.dispose]() {
          watched.delete(attempt)
          if (watched.size === 0 && attempts.get(key) === watched) attempts.delete(key)
        },
      }
    },
  }
}
