import type { EventLog } from '../../engine/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { type EventStream, progressLimit } from '../streams/event-stream.ts'

/** Where in the log a stream begins. */
export interface EventsQuery {
  /** After this event; `latest`: only what comes. Everything that is kept, unless said. */
  since?: string | undefined
  /** The log that `since` is of: numbers of an earlier daemon say nothing here. */
  log?: string | undefined
  /** From this moment on, in milliseconds since the epoch. */
  from?: string | undefined
  follow?: string | undefined
}

/**
 * Sends the log from a number on. Each stream reads from the log's ring at its own pace, so one that is not read costs
 * its buffer and nothing more; what it missed is counted for it when it goes on.
 */
export async function sendEvents(
  log: EventLog,
  { signal, send, drained }: EventStream,
  { since, log: life, from, follow }: EventsQuery,
): Promise<undefined> {
  const asked = since === undefined || since === 'latest' ? undefined : numberOf('since', since)
  const foreign = asked !== undefined && (asked > log.latest || (life !== undefined && life !== log.id))
  let at = log.oldest - 1
  if (since === 'latest') at = log.latest
  else if (from !== undefined) at = log.before(numberOf('from', from))
  else if (asked !== undefined && !foreign) at = asked

  const first = log.read(at)
  const { oldest, latest } = log
  send({ type: 'events', log: log.id, oldest, latest, missed: foreign ? null : first.missed })
  for (let reading = first; !signal.aborted; reading = log.read(at)) {
    if (reading !== first && reading.missed > 0) send({ type: 'missed', count: reading.missed })
    at += reading.missed
    for (const event of reading.events) send(event)
    at += reading.events.length
    await drained(progressLimit).catch(() => undefined)
    if (reading.events.length > 0) continue
    if (follow !== '1') return undefined
    await log.more(at, signal)
  }
  return undefined
}

function numberOf(option: string, text: string): number {
  const number = Number(text)
  if (text !== '' && Number.isInteger(number) && number >= 0) return number
  throw new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not a number of an event` })
}
