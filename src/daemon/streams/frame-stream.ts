import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { StreamEvent } from '../../definition/index.ts'
import { eventsOf, type LogPiece } from '../../engine/index.ts'
import { asMoorageError } from '../../errors/index.ts'
import { encodeEvent, encodeHeader, framesType, streamCodes } from '../../logs/frame.ts'
import { clientGone } from './client-gone.ts'
import { type EventStream, heartbeatInterval, outputLimit, progressLimit } from './event-stream.ts'

/**
 * Answers with a stream of frames (docs/http.md), for clients that read fast: output goes out as it stands in the log,
 * without being looked at, and whatever else there is to say as a frame that holds JSON.
 */
export async function streamFrames(
  response: ServerResponse,
  version: string,
  work: (stream: EventStream) => Promise<StreamEvent | undefined>,
): Promise<void> {
  const signal = clientGone(response)
  response.on('error', () => undefined)
  response.writeHead(200, { 'content-type': framesType, 'moorage-version': version })
  response.flushHeaders()

  let missed = 0
  const send = (event: StreamEvent) => {
    if (response.destroyed || response.writableEnded) return
    if (event.type === 'progress' && response.writableLength >= progressLimit) {
      missed += 1
      return
    }
    if (missed > 0) response.write(encodeEvent({ type: 'missed', count: missed }, Date.now()))
    missed = 0
    response.write(encodeEvent(event, Date.now()))
  }
  const heartbeat = setInterval(() => {
    if (response.writableLength === 0) send({ type: 'heartbeat' })
  }, heartbeatInterval)
  const drained = async (limit = outputLimit) => {
    if (response.writableLength < limit || response.destroyed) return
    await once(response, 'drain', { signal })
  }
  try {
    const last = await work({
      signal,
      send,
      drained,
      async output(piece: LogPiece) {
        if (piece.type === 'output') await written(response, piece.bytes)
        else for (const event of eventsOf(piece)) send(event)
      },
      async data(piece: Buffer) {
        response.write(encodeHeader(streamCodes.data, Date.now(), piece.length))
        response.write(piece)
        await drained()
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

/**
 * Resolves when the kernel has taken it, or the client has gone: then the buffer may be used again. So a client that
 * does not read costs one piece.
 */
function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    response.write(bytes, () => resolve())
  })
}
