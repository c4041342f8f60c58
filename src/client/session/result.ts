import type { ResultEvent, StreamEvent } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { eventsOf } from '../wire/events.ts'
import type { OutputStreamEvent } from '../wire/output-stream.ts'
import type { CallContext, Session } from './session.ts'

/** Takes a piece of a file's or a directory's content; the next piece comes when its promise resolves. */
export type Write = (piece: Buffer) => unknown

/**
 * Reads a stream up to its result. The call's and the session's `onEvent` get the events before it.
 *
 * @param write - takes the content of a file or a directory
 * @throws MoorageError the error that the stream ends with; DAEMON_UNREACHABLE when it ends without a result
 */
export async function resultOf(
  session: Session,
  stream: AsyncIterable<StreamEvent | OutputStreamEvent>,
  { onEvent }: CallContext,
  write: Write = () => undefined,
): Promise<ResultEvent> {
  for await (const event of eventsOf(stream)) {
    if (event.type === 'result') return event
    if (event.type === 'data') {
      // The next piece is read only when this one is written: memory stays small however much there is.
      await write(typeof event.data === 'string' ? Buffer.from(event.data, 'base64') : event.data)
      continue
    }
    // Output of a run is not asked for by these calls.
    if (event.type === 'output') continue
    onEvent?.(event)
    session.onEvent?.(event)
  }
  throw new MoorageError('DAEMON_UNREACHABLE', {
    host: session.transport.host,
    reason: 'it went away before the answer came',
  })
}
