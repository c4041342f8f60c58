import { MoorageError } from '../../errors/index.ts'
import { followLog, type LogSlice } from '../../logs/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Caller } from '../caller.ts'
import type { EngineContext } from '../context.ts'
import { eventsOf, type LogOptions, type LogPiece } from './log-piece.ts'
import type { ReaderPace } from './reader-pace.ts'
import type { RunRecord } from './run-records.ts'

/** An output to send, and who is to be told how far that has come. */
interface SentOutput {
  /** The directory of the log. */
  directory: string
  run: string
  startedAt: number
  /** The command, for messages. */
  args: readonly string[]
  /** Follow the log until this is aborted; without it, send what is there. */
  ended?: AbortSignal
  pace?: ReaderPace
}

/**
 * Sends a run's whole output to a caller, from the start also if it comes late, then live, until the run has ended. The
 * caller is attached: while it reads slowly, the run waits.
 *
 * @throws MoorageError OUTPUT_LOST when the caller was so late, or so slow beside others, that output was dropped before;
 *   DISK_FULL when it could not be written; the abort reason of the caller's signal
 */
export function followRun(context: EngineContext, record: RunRecord, caller: Caller): Promise<void> {
  const { ended, exec, row } = record
  return sendOutput(caller, {
    directory: context.records.logOf(record),
    run: nameOf(record),
    startedAt: row.startedAt,
    args: exec.args,
    ended,
    ...withoutUndefined({ pace: record.pace }),
  })
}

/** Sends a log, all of it, as `followRun` does. */
export async function sendOutput(caller: Caller, output: SentOutput): Promise<void> {
  const { directory, run, startedAt, args, ended, pace } = output
  using reader = pace?.attach()
  const signal = pace === undefined ? caller.signal : AbortSignal.any([caller.signal, pace.lost])
  const pieces = followLog(directory, withoutUndefined({ signal, ended }))
  for await (const piece of runPieces(pieces, run, startedAt, 0)) {
    if (piece.type === 'gap') {
      throw new MoorageError('OUTPUT_LOST', {
        what: `some of the output of ${args.join(' ')} (${piece.missing} bytes)`,
        reason: 'it was dropped before it was read here',
      })
    }
    await send(caller, piece)
    if (piece.type === 'output') reader?.reached(piece.offset + piece.bytes.length)
  }
}

/**
 * Reads the output of a run; with `follow`, of all runs of its service from this one on, until the service has ended
 * for good.
 */
export async function* logPieces(
  context: EngineContext,
  start: RunRecord,
  options: LogOptions & { isLive(record: RunRecord): boolean },
): AsyncGenerator<LogPiece> {
  const { records, events } = context
  const { signal, follow = false, since, after, isLive } = options
  const first = firstRun(records.siblings(start), start, options)
  if (first.forgotten) yield { type: 'gap', run: undefined, offset: 0, missing: null }
  let record = first.record
  let from = first.from
  for (;;) {
    const ended = follow ? record.ended : undefined
    const pieces = followLog(records.logOf(record), withoutUndefined({ signal, ended, since, from }))
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

/** Names a run for good: the numbers in the ids of runs begin anew with each daemon. */
function nameOf({ id, row }: RunRecord): string {
  return `${id}-${row.startedAt.toString(36)}`
}

function firstRun(
  siblings: readonly RunRecord[],
  start: RunRecord,
  { after, since }: LogOptions,
): { record: RunRecord; from?: number; forgotten?: boolean } {
  if (after !== undefined) {
    const record = siblings.find((sibling) => nameOf(sibling) === after.run)
    if (record) return { record, from: after.offset }
    return { record: siblings[0] ?? start, forgotten: true }
  }
  if (since === undefined) return { record: start }
  return { record: siblings.find(({ row }) => row.endedAt === null || row.endedAt >= since) ?? start }
}

function laterThan(siblings: readonly RunRecord[], record: RunRecord): RunRecord | undefined {
  const index = siblings.indexOf(record)
  // The record has been forgotten meanwhile, so the runs that are left began later.
  return index === -1 ? siblings[0] : siblings[index + 1]
}

/** @param begin - the offset of the first piece, if it is known before that piece comes */
async function* runPieces(
  pieces: AsyncIterable<LogSlice>,
  run: string,
  startedAt: number,
  begin: number | undefined,
): AsyncGenerator<LogPiece> {
  let announced = begin !== undefined
  if (begin !== undefined) yield { type: 'run', run, startedAt, offset: begin }
  for await (const piece of pieces) {
    if (!announced) yield { type: 'run', run, startedAt, offset: piece.offset }
    announced = true
    if ('bytes' in piece) yield { type: 'output', run, ...piece }
    else yield { type: 'gap', run, ...piece }
  }
}

async function send(caller: Caller, piece: LogPiece): Promise<void> {
  if (caller.onOutput) return caller.onOutput(piece)
  for (const event of eventsOf(piece)) {
    caller.onEvent(event)
    await caller.drained?.()
  }
}
