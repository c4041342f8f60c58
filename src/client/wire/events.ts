import type { ErrorEvent, HeartbeatEvent } from '../../definition/index.ts'
import { errorFromWire } from '../../errors/index.ts'

/**
 * The events of a stream that mean something to its reader: heartbeats are left out.
 *
 * @throws MoorageError when the stream ends with an error event
 */
export async function* eventsOf<Event extends { type: string }>(
  stream: AsyncIterable<Event>,
): AsyncGenerator<Exclude<Event, ErrorEvent | HeartbeatEvent>> {
  for await (const event of stream) {
    if (event.type === 'error')
      throw errorFromWire((event as unknown as ErrorEvent).error, { complete: true })
    if (event.type !== 'heartbeat') yield event as Exclude<Event, ErrorEvent | HeartbeatEvent>
  }
}
