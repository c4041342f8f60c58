/** A caller's signal: aborted when the caller goes, and when the engine closes. */
interface CallerSignal extends Disposable {
  readonly signal: AbortSignal
}

/**
 * The signals of the callers that an engine works for. `AbortSignal.any` of each caller's signal and one that lives as
 * long as the engine would do the same, but leaves the garbage collector a weak reference for each call.
 */
export class CallerSignals {
  readonly #open = new Set<AbortController>()
  #ended: { reason: unknown } | undefined

  open(caller: AbortSignal): CallerSignal {
    const controller = new AbortController()
    const leave = () => controller.abort(caller.reason)
    if (this.#ended) controller.abort(this.#ended.reason)
    else if (caller.aborted) leave()
    caller.addEventListener('abort', leave, { once: true })
    this.#open.add(controller)
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        caller.removeEventListener('abort', leave)
        this.#open.delete(controller)
      },
    }
  }

  end(reason: unknown): void {
    this.#ended = { reason }
    for (const controller of this.#open) controller.abort(reason)
  }
}
