import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller, Engine } from '../../engine/index.ts'
import { framesType } from '../../logs/frame.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { PinnedLeases } from '../pinned-leases.ts'
import type { Sessions } from '../sessions.ts'
import { type EventStream, type StreamFormat, streamEvents } from '../streams/event-stream.ts'
import { frames } from '../streams/frames.ts'
import { ndjson } from '../streams/ndjson.ts'
import { headerOf, queryOf } from './request-fields.ts'

/** The parts of the daemon that its routes use. */
export interface RouteContext {
  readonly engine: Engine
  readonly sessions: Sessions
  readonly pins: PinnedLeases
  readonly version: string
  /** Path of the socket that the daemon listens on. */
  readonly socket: string
  readonly startedAt: number
  /** Counts a request that keeps the daemon from leaving; the returned function counts its end. */
  readonly beginRequest: () => () => void
}

/** Answers with a stream; the daemon stays while it is open. */
export async function answerWithStream(
  { version, beginRequest }: RouteContext,
  reply: FastifyReply,
  work: Parameters<typeof streamEvents>[2],
  format: StreamFormat = ndjson,
): Promise<void> {
  const end = beginRequest()
  reply.hijack()
  try {
    await streamEvents(reply.raw, { version, format }, work)
  } finally {
    end()
  }
}

/** Returns the format that a request asks for, by its header `accept` or by `?format=frames`. */
export function formatOf(request: FastifyRequest): StreamFormat {
  const wantsFrames =
    headerOf(request, 'accept')?.includes(framesType) === true || queryOf(request).format === 'frames'
  return wantsFrames ? frames : ndjson
}

/** Returns the caller whose interest is a stream. */
export function callerOf({ signal, send, drained, output, data }: EventStream, input?: Readable): Caller {
  return { signal, onEvent: send, drained, onOutput: output, onData: data, ...withoutUndefined({ input }) }
}
