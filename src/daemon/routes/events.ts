import type { FastifyInstance } from 'fastify'
import type { EventLog } from '../../engine/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { type EventStream, progressLimit } from '../streams/event-stream.ts'
import { queryOf } from './request-fields.ts'
import { answerWithStream, type RouteContext } from './route-context.ts'

export function addEventRoutes(app: FastifyInstance, context: RouteContext): void {
  app.get('/v1/events', (request, reply) =>
    answerWithStream(context, reply, (stream) =>
      sendEvents(context.engine.events, stream, queryOf(request) as EventsQuery),
    ),
  )
}

/** The place in the log at which a stream begins, and whether it goes on. */
interface EventsQuery {
  /** The number of the event before the first; `latest`: only events to come. @defaultValue all that are kept */
  since?: string | undefined
  /** The ID of the log that `since` counts in: numbers of an earlier daemon's log mean nothing here. */
  log?: string | undefined
  /** The time of the first event, in milliseconds since the epoch. */
  from?: string | undefined
  /** `1`: the stream goes on with events to come. */
  follow?: string | undefined
}

/**
 * Sends the log from a number on. Each stream reads the log's ring at its own pace, so a client that does not read costs
 * its buffer and nothing more; when it goes on, it learns how many events it missed.
 */
export async function sendEvents(
  log: EventLog,
  { signal, send, drained }: EventStream,
  { since, log: logId, from, follow }: EventsQuery,
): Promise<undefined> {
  const after = since === undefined || since === 'latest' ? undefined : eventNumber('since', since)
  const foreign = after !== undefined && (after > log.latest || (logId !== undefined && logId !== log.id))
  let at = log.oldest - 1
  if (since === 'latest') at = log.latest
  else if (from !== undefined) at = log.before(eventNumber('from', from))
  else if (after !== undefined && !foreign) at = after

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

function eventNumber(option: string, text: string): number {
  const number = Number(text)
  if (text !== '' && Number.isInteger(number) && number >= 0) return number
  throw new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not a number of an event` })
}
