import type { ServerResponse } from 'node:http'
import { MoorageError } from '../../errors/index.ts'

/**
 * Aborted when a client goes before it has its whole answer. It is the response's `close` that tells of the client (the
 * request's comes as soon as its body is read), and it comes once: so this is called before the first await.
 */
export function clientGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished)
      gone.abort(new MoorageError('CANCELLED', { reason: 'the client has gone' }))
  })
  return gone.signal
}
