import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { StreamEvent } from '../../definition/index.ts'
import type { LogPiece } from '../../engine/index.ts'
import { asMoorageError } from '../../errors/index.ts'
import { clientGone } from './client-gone.ts'

/** Interval of the heartbeats of a silent stream, in milliseconds. */
const heartbeatInterval = 10_000

/** Bytes that a client may leave unread before its output waits for it. */
const outputLimit = 1024 * 1024

/** Bytes that a client may leave unread before it misses progress events. */
export const progressLimit: number = 128 * 1024

/** One open request as a stream of events: the caller's interest, which ends when the request does. */
export interface EventStream {
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  send(event: StreamEvent): void
  /** Resolves when the client has left less than `limit` bytes unread. */
  drained(limit?: number): Promise<void>
  /** Sends output; resolves when there is room for more. */
  output(piece: LogPiece): Promise<void>
  /** Sends a part of the contents of a file or a directory; resolves when there is room for more. */
  data(piece: Buffer): Promise<void>
}

/** A form in which events and bytes go out: lines of JSON (ndjson.ts) or frames (frames.ts). */
export interface StreamFormat {
  readonly contentType: string
  /** Begins a response, whose head is written. */
  open(response: ServerResponse, stream: Pick<EventStream, 'send' | 'drained'>): StreamWriter
}

interface StreamWriter extends Pick<EventStream, 'output' | 'data'> {
  write(event: StreamEvent): void
  /** Passes on everything that waits here if, with it, the client has `limit` bytes unread. */
  flush(limit: number): void
  /** Passes on everything that waits here, then the last event, and ends the response. */
  end(last: StreamEvent | undefined): void
}

/** Answers with a stream. The last event is the one that `work` returns, or the error that it throws. */
export async function streamEvents(
  response: ServerResponse,
  { version, format }: { version: string; format: StreamFormat },
  work: (stream: EventStream) => Promise<StreamEvent | undefined>,
): Promise<void> {
  const signal = clientGone(response)
  response.on('error', () => undefined)
  response.writeHead(200, { 'content-type': format.contentType, 'moorage-version': version })

  let missed = 0
  const tellMissed = () => {
    if (missed > 0) writer.write({ type: 'missed', count: missed })
    missed = 0
  }
  const send = (event: StreamEvent) => {
    if (response.destroyed || response.writableEnded) return
    // A client that does not read must not fill the memory: it learns how many events it missed.
    if (event.type === 'progress' && response.writableLength >= progressLimit) {
      missed += 1
      return
    }
    tellMissed()
    writer.write(event)
  }
  const end = (last: StreamEvent | undefined) => {
    tellMissed()
    writer.end(last)
  }
  const drained = async (limit = outputLimit) => {
    writer.flush(limit)
    if (response.writableLength < limit || response.destroyed) return
    await once(response, 'drain', { signal })
  }
  const writer = format.open(response, { send, drained })
  const heartbeat = setInterval(() => {
    if (response.writableLength === 0) send({ type: 'heartbeat' })
  }, heartbeatInterval)
  try {
    const last = await work({
      signal,
      send,
      drained,
      output: (piece) => writer.output(piece),
      data: (piece) => writer.data(piece),
    })
    end(last)
  } catch (error) {
    end({ type: 'error', error: asMoorageError(error).toJSON() })
  } finally {
    clearInterval(heartbeat)
  }
}
