import { MoorageError } from '../errors/index.ts'

/** Why a call ended early, as an error of ours; what the caller gave as its reason is the cause. */
export function cancellation({ reason }: AbortSignal): MoorageError {
  if (reason instanceof MoorageError) return reason
  const late = (reason as Error | undefined)?.name === 'TimeoutError'
  return new MoorageError(
    'CANCELLED',
    { reason: late ? 'the time that the caller gave is over' : 'by the caller' },
    { cause: reason },
  )
}

/** Waits for work that goes on by itself, for as long as the caller wants it. */
export async function whileWanted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Whoever has gone does not hear how it ended.
  work.catch(() => undefined)
  if (signal.aborted) throw cancellation(signal)
  const left = Promise.withResolvers<never>()
  const onAbort = () => left.reject(cancellation(signal))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, left.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
