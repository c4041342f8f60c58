import type { StreamEvent } from '../../definition/index.ts'
import { eventsOf } from '../../engine/index.ts'
import type { StreamFormat } from './event-stream.ts'

/** Progress waits this long for more, in milliseconds, or until so many characters wait: each write is a system call. */
const batchDelay = 2
const batchLimit = 32 * 1024

/** Lines of progress events: many streams send the same event, which is encoded once. */
const progressLines = new WeakMap<StreamEvent, string>()

/** A stream as lines of JSON (NDJSON); output and data are in base64. */
export const ndjson: StreamFormat = {
  contentType: 'application/x-ndjson',
  open(response, { send, drained }) {
    let batch = ''
    let timer: NodeJS.Timeout | undefined
    const flush = () => {
      clearTimeout(timer)
      timer = undefined
      const text = batch
      batch = ''
      if (response.destroyed || response.writableEnded) return
      if (text !== '') response.write(text)
      else if (!response.headersSent) response.flushHeaders()
    }
    // A cached answer needs but one write: for its head, its progress and its result.
    timer = setTimeout(flush, batchDelay)
    return {
      write(event) {
        batch += lineOf(event)
        const waits = event.type === 'progress' || event.type === 'missed'
        if (!waits || batch.length > batchLimit) flush()
        else timer ??= setTimeout(flush, batchDelay)
      },
      flush(limit) {
        if (batch.length > 0 && response.writableLength + batch.length >= limit) flush()
      },
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
      end(last) {
        clearTimeout(timer)
        response.end(last === undefined ? batch : batch + lineOf(last))
      },
    }
  },
}

function lineOf(event: StreamEvent): string {
  if (event.type !== 'progress') return `${JSON.stringify(event)}\n`
  const line = progressLines.get(event) ?? `${JSON.stringify(event)}\n`
  progressLines.set(event, line)
  return line
}
