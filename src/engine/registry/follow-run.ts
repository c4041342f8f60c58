import type { LogEvent, RunEvent, StreamEvent } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { decodeFrames, type Piece, readPieces } from '../../logs/index.ts'
import type { Caller, EngineContext } from '../context.ts'
import type { RunRecord } from './run-records.ts'

/** What a reader of logs gets: whose output it is, the output, and what of it is missing. */
export type LogPiece =
  | RunEvent
  /** Whole frames, as they stand in the log; overwritten by the next piece. */
  | { type: 'output'; run: string; offset: number; bytes: Buffer }
  | { type: 'gap'; run: string | undefined; offset: number; missing: number | null }

/** Where in which run a reader was. */
export interface LogPosition {
  run: string
  offset: number
}

export interface LogOptions {
  signal: AbortSignal
  follow?: boolean | undefined
  /** What was written then or later, in milliseconds since the epoch. */
  since?: number | undefined
  after?: LogPosition | undefined
}

/** `RUN@OFFSET`. @throws MoorageError INVALID_OPTION */
export function positionOf(text: string): LogPosition {
  const match = /^(.+)@(\d{1,15})$/.exec(text)
  if (match?.[1] !== undefined) return { run: match[1], offset: Number(match[2]) }
  throw new MoorageError('INVALID_OPTION', {
    option: 'after',
    reason: `"${text}" is not a position in a log`,
  })
}

/** A piece as lines of the NDJSON form. */
export function eventsOf(piece: LogPiece): StreamEvent[] {
  if (piece.type === 'run') return [piece]
  const { run, offset } = piece
  if (piece.type === 'gap') {
    const { missing } = piece
    const known = run !== undefined && missing !== null
    return [{ type: 'gap', missing, ...(known ? { position: `${run}@${offset + missing}` } : {}) }]
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

/** Sends a run's whole output to a caller, from the start and then live, until it has ended. */
export async function followRun(context: EngineContext, record: RunRecord, caller: Caller): Promise<void> {
  const { signal } = caller
  const pieces = readPieces(context.records.logOf(record), { signal, ended: record.ended })
  for await (const piece of runPieces(pieces, nameOf(record), record.row.startedAt, 0))
    await give(caller, piece)
}

/** Sends the output of a run of an earlier time, which a result has kept; with `ended`, until that. */
export async function replayRun(
  directory: string,
  { run, startedAt }: { run: string; startedAt: number },
  caller: Caller & { ended?: AbortSignal },
): Promise<void> {
  const { signal, ended } = caller
  const pieces = readPieces(directory, { signal, ...(ended === undefined ? {} : { ended }) })
  for await (const piece of runPieces(pieces, run, startedAt, 0)) await give(caller, piece)
}

/**
 * The output of a run, or with `follow` of a service: of all its runs from this one on, until it has ended for good.
 */
export async function* logPieces(
  context: EngineContext,
  found: RunRecord,
  options: LogOptions & { isLive(record: RunRecord): boolean },
): AsyncGenerator<LogPiece> {
  const { records, events } = context
  const { signal, follow = false, since, after, isLive } = options
  const first = firstRun(records.siblings(found), found, options)
  if (first.forgotten) yield { type: 'gap', run: undefined, offset: 0, missing: null }
  let record = first.record
  let from = first.from
  for (;;) {
    const pieces = readPieces(records.logOf(record), {
      signal,
      ...(follow ? { ended: record.ended } : {}),
      ...(since === undefined ? {} : { since }),
      ...(from === undefined ? {} : { from }),
    })
    const begin = since === undefined && from === undefined ? 0 : undefined
    yield* runPieces(pieces, nameOf(record), record.row.startedAt, begin)
    from = undefined
    for (;;) {
      signal.throwIfAborted()
      const seen = events.latest
      const more = records.more()
      const next = laterThan(records.siblings(record), record)
      if (next !== undefined) {
        record = next
        break
      }
      // A command runs once. A service that is being restarted has no run for a while.
      if (!follow || record.kind !== 'service' || !isLive(record)) return
      const stop = new AbortController()
      await Promise.race([more, events.more(seen, AbortSignal.any([signal, stop.signal]))])
      stop.abort()
    }
    if (!follow && after === undefined && since === undefined) return
  }
}

/** A run's own name: its id begins anew with each daemon. */
function nameOf({ id, row }: RunRecord): string {
  return `${id}-${row.startedAt.toString(36)}`
}

function firstRun(
  siblings: readonly RunRecord[],
  found: RunRecord,
  { after, since }: LogOptions,
): { record: RunRecord; from?: number; forgotten?: boolean } {
  if (after !== undefined) {
    const known = siblings.find((record) => nameOf(record) === after.run)
    if (known) return { record: known, from: after.offset }
    return { record: siblings[0] ?? found, forgotten: true }
  }
  if (since === undefined) return { record: found }
  return { record: siblings.find(({ row }) => row.endedAt === null || row.endedAt >= since) ?? found }
}

function laterThan(siblings: readonly RunRecord[], record: RunRecord): RunRecord | undefined {
  const index = siblings.indexOf(record)
  // Forgotten meanwhile: those that are there began later.
  return index === -1 ? siblings[0] : siblings[index + 1]
}

/** @param begin - where the first piece is, if that is known before it comes */
async function* runPieces(
  pieces: AsyncIterable<Piece>,
  run: string,
  startedAt: number,
  begin: number | undefined,
): AsyncGenerator<LogPiece> {
  let told = begin !== undefined
  if (begin !== undefined) yield { type: 'run', run, startedAt, offset: begin }
  for await (const piece of pieces) {
    if (!told) yield { type: 'run', run, startedAt, offset: piece.offset }
    told = true
    if ('bytes' in piece) yield { type: 'output', run, ...piece }
    else yield { type: 'gap', run, ...piece }
  }
}

async function give(caller: Caller, piece: LogPiece): Promise<void> {
  if (caller.onOutput) return caller.onOutput(piece)
  for (const event of eventsOf(piece)) {
    caller.onEvent(event)
    await caller.drained?.()
  }
}
