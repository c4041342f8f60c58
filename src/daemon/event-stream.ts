import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { StreamEvent } from '../definition/index.ts'
import { asMoorageError, MoorageError } from '../errors.ts'

/** How often a silent stream shows that it lives. */
const heartbeatInterval = 10_000

/** What a client may leave unread before its stream waits for it. */
const bufferLimit = 1024 * 1024

/**
 * One open request as a stream of events: the caller's interest, which ends when the request does.
 * Events are lines of JSON (NDJSON).
 */
export interface EventStream {
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  send(event: StreamEvent): void
  /** Resolves when the client has read enough for more. */
  drained(): Promise<void>
}

/**
 * Answers with a stream. Whatever `work` returns is its last event, whatever it throws the error that ends it.
 */
export async function streamEvents(
  response: ServerResponse,
  version: string,
  work: (stream: EventStream) => Promise<StreamEvent | undefined>,
): Promise<void> {
  const gone = new AbortController()
  // Before the first await: `close` comes once. It is the response's that tells of the client; the request's comes
  // as soon as its body is read.
  response.on('close', () => {
    if (!response.writableFinished)
      gone.abort(new MoorageError('CANCELLED', { reason: 'the client has gone' }))
  })
  response.on('error', () => undefined)
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'moorage-version': version })
  response.flushHeaders()

  const send = (event: StreamEvent) => {
    if (!response.destroyed && !response.writableEnded) response.write(`${JSON.stringify(event)}\n`)
  }
  const heartbeat = setInterval(() => send({ type: 'heartbeat' }), heartbeatInterval)
  try {
    const last = await work({
      signal: gone.signal,
      send,
      async drained() {
        if (response.writableLength < bufferLimit || response.destroyed) return
        await once(response, 'drain', { signal: gone.signal })
      },
    })
    if (last) send(last)
  } catch (error) {
    send({ type: 'error', error: asMoorageError(error).toJSON() })
  } finally {
    clearInterval(heartbeat)
    response.end()
  }
}
