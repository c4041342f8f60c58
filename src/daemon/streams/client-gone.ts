import type { ServerResponse } from 'node:http'
import { MoorageError } from '../../errors/index.ts'

/**
 * Returns a signal that is aborted when the client goes before it has its whole answer. The response's `close` reports
 * the client (the request's comes as soon as its body is read), and comes once: so call this before the first await.
 */
export function clientGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished)
      gone.abort(new MoorageError('CANCELLED', { reason: 'the client has gone' }))
  })
  return gone.signal
}
