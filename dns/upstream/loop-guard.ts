import { randomBytes, randomInt } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { type Deadline, deadline } from '../deadline.ts'
import { DnsError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { headerSize } from '../wire/decode-query.ts'
import { encodeQuery } from '../wire/encode-query.ts'
import { sameName, wireName } from '../wire/name.ts'
import { recordTypes } from '../wire/record-types.ts'
import { askUdp } from './ask-upstream.ts'
import { type Upstream, upstreamKey } from './upstream.ts'

export interface LoopGuardOptions {
  limits: Limits
  clock: Clock
  closing: AbortSignal
  /** Is told of an upstream that asks us. */
  found: (error: DnsError) => void
}

/**
 * Finds upstreams that ask this server in turn, as the host's own resolver may when it was pointed here: a query would
 * go round until it times out. Whether one does is asked of it, as CoreDNS does: a question for a name that nobody can
 * know, when it is asked for the first time and after it was silent. What comes back to us has gone round.
 */
export interface LoopGuard {
  /** Asks an upstream about itself, if that is due. Does not wait for it. */
  probe(upstream: Upstream): void
  /** An upstream was silent: it is asked about itself when it is used again. */
  suspect(upstream: Upstream): void
  /** Whether this message is one of our own questions. Its upstream is left out from then on. */
  isOwn(message: Buffer, questionEnd: number): boolean
  /** Whether an upstream is left out at the moment. */
  loops(upstream: Upstream): boolean
  /** Has an attempt called off as soon as its upstream is found to ask us. */
  watch(upstream: Upstream, attempt: Deadline): Disposable
}

export function createLoopGuard({ limits, clock, closing, found }: LoopGuardOptions): LoopGuard {
  /** Questions on their way, with the upstream that each was put to. */
  const probes = new Map<Upstream, Buffer>()
  /** When an upstream was known to be good; what is not in here is asked. */
  const asked = new Set<string>()
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
      // Nobody there, or nobody who answers this: then nothing goes round either.
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
    asked.delete(key)
    looping.set(key, clock.now() + limits.loopPause)
    for (const attempt of attempts.get(key) ?? []) attempt.abort(error)
    found(error)
  }

  return {
    probe(upstream) {
      const key = upstreamKey(upstream)
      if (asked.has(key)) return
      asked.add(key)
      void ask(upstream)
    },
    suspect: (upstream) => void asked.delete(upstreamKey(upstream)),
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
      const held = attempts.get(key) ?? new Set()
      attempts.set(key, held.add(attempt))
      return {
        [Symbol.dispose]() {
          held.delete(attempt)
          if (held.size === 0 && attempts.get(key) === held) attempts.delete(key)
        },
      }
    },
  }
}
