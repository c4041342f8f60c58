import type { ServerResponse } from 'node:http'
import { eventsOf } from '../../engine/index.ts'
import { encodeEvent, encodeHeader, framesType, streamCodes } from '../../logs/frame.ts'
import type { StreamFormat } from './event-stream.ts'

/**
 * A stream as frames (docs/http.md), for clients that read fast: output goes out as it stands in the log, unread, and
 * each event as a frame that holds its JSON.
 */
export const frames: StreamFormat = {
  contentType: framesType,
  open(response, { send, drained }) {
    response.flushHeaders()
    return {
      write(event) {
        response.write(encodeEvent(event, Date.now()))
      },
      flush: () => undefined,
      async output(piece) {
        if (piece.type === 'output') await written(response, piece.bytes)
        else for (const event of eventsOf(piece)) send(event)
      },
      async data(piece) {
        response.write(encodeHeader(streamCodes.data, Date.now(), piece.length))
        response.write(piece)
        await drained()
      },
      end(last) {
        if (last && !response.destroyed) response.write(encodeEvent(last, Date.now()))
        response.end()
      },
    }
  },
}

/**
 * Resolves when the kernel has taken the bytes, or the client has gone: then their buffer may be used again. So a client
 * that does not read costs one piece.
 */
function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    response.write(bytes, () => resolve())
  })
}
