import type { IncomingMessage } from 'node:http'
import type { StreamEvent } from '../../definition/index.ts'
import { framesType, headerLength, streamCodes } from '../../logs/frame.ts'
import { linesOf } from './ndjson.ts'

/** A piece of a run's output, as bytes. */
export interface OutputEvent {
  type: 'output'
  stream: 'stdout' | 'stderr'
  /** Milliseconds since the epoch. */
  time: number
  data: Buffer
  /** The position behind the piece: a later call can go on from there. */
  position: string | undefined
}

/** A piece of a file's or a directory's content, as bytes. */
export interface BytesEvent {
  type: 'data'
  data: Buffer
}

/** An event of a stream, with output as bytes. */
export type OutputStreamEvent = OutputEvent | BytesEvent | Exclude<StreamEvent, { type: 'log' | 'data' }>

/** The Accept header for output as bytes. A daemon that does not know the frames answers in JSON. */
export const acceptOutput = `${framesType}, application/x-ndjson`

/** Reads an answer of JSON lines. */
export async function* jsonEventsOf(response: IncomingMessage): AsyncGenerator<StreamEvent> {
  for await (const line of linesOf(chunksOf(response))) yield JSON.parse(line) as StreamEvent
}

/** Reads an answer of frames or of JSON lines. */
export function outputEventsOf(response: IncomingMessage): AsyncGenerator<OutputStreamEvent> {
  const isFrames = response.headers['content-type'] === framesType
  return isFrames ? fromFrames(chunksOf(response)) : fromJson(jsonEventsOf(response))
}

/** The bytes of an answer. When the reader stops early, the transport decides about the connection. */
function chunksOf(response: IncomingMessage): AsyncIterable<Buffer> {
  return response.iterator({ destroyOnReturn: false })
}

async function* fromJson(events: AsyncIterable<StreamEvent>): AsyncGenerator<OutputStreamEvent> {
  for await (const event of events) {
    if (event.type === 'data') yield { type: 'data', data: Buffer.from(event.data, 'base64') }
    else if (event.type !== 'log') yield event
    else yield { ...event, type: 'output', data: Buffer.from(event.data, 'base64'), position: event.position }
  }
}

/** Passes bytes on as they come, without waiting for the rest of their frame: nothing is copied. */
async function* fromFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<OutputStreamEvent> {
  const header = Buffer.alloc(headerLength)
  let inHeader = 0
  /** Bytes that are still to come of the frame that is being read. */
  let left = 0
  let code = 0
  let time = 0
  let words: Buffer[] = []
  let run: string | undefined
  let offset = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      if (left === 0) {
        const copied = chunk.copy(header, inHeader, at, at + headerLength - inHeader)
        inHeader += copied
        at += copied
        if (inHeader < headerLength) break
        inHeader = 0
        left = header.readUInt32LE(0)
        code = header[4] ?? 0
        time = header.readDoubleLE(5)
        if (isOutput(code)) offset += headerLength
        if (left === 0 && code === streamCodes.event) throw new Error('it sent an empty event')
        continue
      }
      const data = chunk.subarray(at, at + left)
      at += data.length
      left -= data.length
      if (code === streamCodes.data) {
        yield { type: 'data', data }
        continue
      }
      if (isOutput(code)) {
        offset += data.length
        const position = run === undefined ? undefined : `${run}@${offset}`
        yield {
          type: 'output',
          stream: code === streamCodes.stderr ? 'stderr' : 'stdout',
          time,
          data,
          position,
        }
        continue
      }
      words.push(data)
      if (left > 0) continue
      const event = JSON.parse(Buffer.concat(words).toString()) as OutputStreamEvent
      words = []
      if (event.type === 'run') ({ run, offset } = event)
      else if (event.type === 'gap') offset += event.missing ?? 0
      yield event
    }
  }
}

function isOutput(code: number): boolean {
  return code === streamCodes.stdout || code === streamCodes.stderr
}
