import type { Clock } from './clock.ts'
import { DnsError } from './errors.ts'

/** A signal that fires after some time, with another signal, or when `abort()` is called. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
  abort(reason: unknown): void
}

export function deadline(clock: Clock, ms: number, outer: AbortSignal): Deadline {
  const controller = new AbortController()
  const timer = clock.setTimeout(
    () => controller.abort(new DnsError('UPSTREAM_FAILED', `no answer within ${ms} ms`)),
    ms,
  )
  const follow = () => controller.abort(outer.reason)
  if (outer.aborted) follow()
  else outer.addEventListener('abort', follow)
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]() {
      timer[Symbol.dispose]()
      outer.removeEventListener('abort', follow)
    },
  }
}
