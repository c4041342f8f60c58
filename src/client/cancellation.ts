import { untilAborted } from '../concurrency/index.ts'
import { MoorageError } from '../errors/index.ts'

/** The error of a call that was cancelled; the caller's abort reason is its cause. */
export function cancellation({ reason }: AbortSignal): MoorageError {
  if (reason instanceof MoorageError) return reason
  const isTimeout = (reason as Error | undefined)?.name === 'TimeoutError'
  return new MoorageError(
    'CANCELLED',
    { reason: isTimeout ? 'the time that the caller gave is over' : 'by the caller' },
    { cause: reason },
  )
}

/**
 * Waits for work that goes on by itself, until the call is cancelled.
 *
 * @throws MoorageError CANCELLED, and what the work throws
 */
export async function untilCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // A call that was cancelled no longer hears how the work ends.
  work.catch(() => undefined)
  try {
    return await untilAborted(work, signal)
  } catch (error) {
    throw signal.aborted ? cancellation(signal) : error
  }
}
