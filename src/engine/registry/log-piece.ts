import type { LogEvent, RunEvent, StreamEvent } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { decodeFrames } from '../../logs/index.ts'

/** A piece of the output that a reader of logs gets: the run that it is of, output, or a gap in it. */
export type LogPiece =
  | RunEvent
  /** Whole frames, as they stand in the log; overwritten by the next piece. */
  | { type: 'output'; run: string; offset: number; bytes: Buffer }
  | { type: 'gap'; run: string | undefined; offset: number; missing: number | null }

/** A reader's place in the logs of a service or a command: a run, and an offset in that run's log. */
export interface LogPosition {
  run: string
  offset: number
}

export interface LogOptions {
  signal: AbortSignal
  follow?: boolean | undefined
  /** Skip what was written before this time, in milliseconds since the epoch. */
  since?: number | undefined
  after?: LogPosition | undefined
}

/** Parses `RUN@OFFSET`. @throws MoorageError INVALID_OPTION */
export function positionOf(text: string): LogPosition {
  const match = /^(.+)@(\d{1,15})$/.exec(text)
  if (match?.[1] !== undefined) return { run: match[1], offset: Number(match[2]) }
  throw new MoorageError('INVALID_OPTION', {
    option: 'after',
    reason: `"${text}" is not a position in a log`,
  })
}

/** Turns a piece into the events that the NDJSON form sends for it. */
export function eventsOf(piece: LogPiece): StreamEvent[] {
  if (piece.type === 'run') return [piece]
  const { run, offset } = piece
  if (piece.type === 'gap') {
    const { missing } = piece
    const hasPosition = run !== undefined && missing !== null
    return [{ type: 'gap', missing, ...(hasPosition ? { position: `${run}@${offset + missing}` } : {}) }]
  }
  return decodeFrames(piece.bytes, offset).frames.map(
    ({ stream, time, data, end }): LogEvent => ({
      type: 'log',
      stream,
      time,
      data: data.toString('base64'),
      position: `${run}@${end}`,
    }),
  )
}
