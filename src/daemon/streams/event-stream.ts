import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { StreamEvent } from '../../definition/index.ts'
import { eventsOf, type LogPiece } from '../../engine/index.ts'
import { asMoorageError } from '../../errors/index.ts'
import { clientGone } from './client-gone.ts'

/** How often a silent stream shows that it lives. */
export const heartbeatInterval = 10_000

/** What a client may leave unread before its stream waits for it, or before it is not told of progress any more. */
export const outputLimit: number = 1024 * 1024
export const progressLimit: number = 128 * 1024

/** What is worth no packet of its own waits this long for company, in milliseconds, or until so much waits. */
const company = 2
const companyLimit = 32 * 1024

/** Many streams tell the same event: it is written out once. */
const written = new WeakMap<StreamEvent, string>()

/**
 * One open request as a stream of events: the caller's interest, which ends when the request does.
 * Events are lines of JSON (NDJSON).
 */
export interface EventStream {
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  send(event: StreamEvent): void
  /** Resolves when the client has left less than `limit` bytes unread. */
  drained(limit?: number): Promise<void>
  /** Sends output; resolves when there is room for more. */
  output(piece: LogPiece): Promise<void>
  /** The same for what a file or a directory holds. */
  data(piece: Buffer): Promise<void>
}

/**
 * Answers with a stream. Whatever `work` returns is its last event, whatever it throws the error that ends it.
 */
export async function streamEvents(
  response: ServerResponse,
  version: string,
  work: (stream: EventStream) => Promise<StreamEvent | undefined>,
): Promise<void> {
  const signal = clientGone(response)
  response.on('error', () => undefined)
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'moorage-version': version })

  // Each write is a system call, of which a cached answer needs but one: for its headers, its progress and its result.
  let waiting = ''
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    const text = waiting
    waiting = ''
    if (response.destroyed || response.writableEnded) return
    if (text !== '') response.write(text)
    else if (!response.headersSent) response.flushHeaders()
  }
  timer = setTimeout(flush, company)

  let missed = 0
  const send = (event: StreamEvent) => {
    if (response.destroyed || response.writableEnded) return
    // Whoever does not read must not fill the memory: it is told how much it was not told.
    if (event.type === 'progress' && response.writableLength >= progressLimit) {
      missed += 1
      return
    }
    if (missed > 0) waiting += lineOf({ type: 'missed', count: missed })
    missed = 0
    waiting += lineOf(event)
    if (event.type !== 'progress' || waiting.length > companyLimit) flush()
    else timer ??= setTimeout(flush, company)
  }
  const heartbeat = setInterval(() => {
    if (response.writableLength === 0) send({ type: 'heartbeat' })
  }, heartbeatInterval)
  const drained = async (limit = outputLimit) => {
    if (waiting.length > 0 && response.writableLength + waiting.length >= limit) flush()
    if (response.writableLength < limit || response.destroyed) return
    await once(response, 'drain', { signal })
  }
  try {
    const last = await work({
      signal,
      send,
      drained,
      async output(piece) {
        for (const event of eventsOf(piece)) {
          send(event)
          await drained()
        }
      },
      async data(piece) {
        send({ type: 'data', data: piece.toString('base64') })
        await drained()
      },
    })
    if (last) waiting += lineOf(last)
  } catch (error) {
    waiting += lineOf({ type: 'error', error: asMoorageError(error).toJSON() })
  } finally {
    clearInterval(heartbeat)
    clearTimeout(timer)
    response.end(waiting)
  }
}

function lineOf(event: StreamEvent): string {
  if (event.type !== 'progress') return `${JSON.stringify(event)}\n`
  const line = written.get(event) ?? `${JSON.stringify(event)}\n`
  written.set(event, line)
  return line
}
