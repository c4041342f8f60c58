import { untilAborted } from './until-aborted.ts'

/** What a piece of work is given: a signal that belongs to no caller, and a way to tell all of them something. */
export interface Flight<P> {
  /** Aborted when the last caller has gone, with that caller's reason. */
  readonly signal: AbortSignal
  /** Told to every caller, to late ones from the start. Ignored once the work has settled. */
  report(progress: P): void
}

export interface FlightCaller<P> {
  /** Ends this caller's interest: its promise rejects at once with the signal's reason. */
  signal?: AbortSignal
  /** Gets all progress from the start. What it throws ends this caller's interest, and nobody else's. */
  onProgress?: (progress: P) => void
}

/** Runs work exactly once per key for all who ask while it goes on. */
export interface Flights {
  /**
   * Starts `work`, or attaches to the run in progress. Those attached share its outcome; who comes later gets a run of
   * its own. Who comes while a run unwinds, because everybody had gone, waits for that and gets a fresh run.
   *
   * @throws what `work` threw, the caller's abort reason, or what its `onProgress` threw
   */
  join<T, P = never>(
    key: string,
    work: (flight: Flight<P>) => Promise<T>,
    caller?: FlightCaller<P>,
  ): Promise<T>
  /** How many runs there are, those that unwind included. */
  readonly size: number
  /** How many callers are attached to the run of a key. */
  callers(key: string): number
}

export interface FlightsOptions {
  /** Told of a run that failed when nobody was left to hear it; its abort reason does not count as a failure. */
  onUnheard?: (failure: UnheardFailure) => void
}

/** The failure of a run that all its callers had left. */
export interface UnheardFailure {
  readonly key: string
  readonly error: unknown
}

export function createFlights({ onUnheard }: FlightsOptions = {}): Flights {
  const runs = new Map<string, Run>()

  return {
    async join<T, P>(key: string, work: (flight: Flight<P>) => Promise<T>, caller: FlightCaller<P> = {}) {
      for (;;) {
        caller.signal?.throwIfAborted()
        let run = runs.get(key)
        if (run === undefined) {
          const made = new Run((error) => onUnheard?.({ key, error }))
          // In the map before the work begins, so that whoever the work calls finds it.
          runs.set(key, made)
          made.begin(work as Work, () => runs.delete(key))
          run = made
        }
        if (!run.unwinding) return (await run.attach(caller as FlightCaller<unknown>)) as T
        await untilAborted(run.over, caller.signal)
      }
    },
    get size() {
      return runs.size
    },
    callers: (key) => runs.get(key)?.callers ?? 0,
  }
}

type Work = (flight: Flight<unknown>) => Promise<unknown>
type Outcome = { ok: true; value: unknown } | { ok: false; error: unknown }

interface Attached {
  onProgress: ((progress: unknown) => void) | undefined
  /** How much of the history it has been told. */
  told: number
  settle(outcome: Outcome): void
}

/** One run: its callers, the progress so far, and a signal that is aborted when the last caller goes. */
class Run {
  /** Resolves when the work has settled, however. */
  readonly over: Promise<void>
  readonly #endOver: () => void
  readonly #abort = new AbortController()
  readonly #attached = new Set<Attached>()
  readonly #history: unknown[] = []
  readonly #onUnheard: (error: unknown) => void
  #outcome: Outcome | undefined

  constructor(onUnheard: (error: unknown) => void) {
    this.#onUnheard = onUnheard
    const { promise, resolve } = Promise.withResolvers<void>()
    this.over = promise
    this.#endOver = resolve
  }

  /** Everybody has gone and the work has not noticed yet: it must not be joined. */
  get unwinding(): boolean {
    return this.#abort.signal.aborted && this.#outcome === undefined
  }

  get callers(): number {
    return this.#attached.size
  }

  begin(work: Work, forget: () => void): void {
    const land = (outcome: Outcome) => {
      this.#outcome = outcome
      forget()
      this.#endOver()
      const { signal } = this.#abort
      // A run that everybody left is expected to end with the abort; any other failure of its must be heard.
      if (signal.aborted && !outcome.ok && outcome.error !== signal.reason) this.#onUnheard(outcome.error)
      for (const caller of [...this.#attached]) caller.settle(outcome)
    }
    try {
      work({ signal: this.#abort.signal, report: (progress) => this.#report(progress) }).then(
        (value) => land({ ok: true, value }),
        (error) => land({ ok: false, error }),
      )
    } catch (error) {
      // Left for a microtask, so that the caller who started it is attached and hears of it.
      queueMicrotask(() => land({ ok: false, error }))
    }
  }

  attach({ signal, onProgress }: FlightCaller<unknown>): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const leave = () => caller.settle({ ok: false, error: signal?.reason })
    const caller: Attached = {
      onProgress,
      told: 0,
      settle: (outcome) => {
        if (!this.#attached.delete(caller)) return
        signal?.removeEventListener('abort', leave)
        if (outcome.ok) resolve(outcome.value)
        else reject(outcome.error)
        if (this.#attached.size === 0 && this.#outcome === undefined) {
          this.#abort.abort(outcome.ok ? undefined : outcome.error)
        }
      },
    }
    this.#attached.add(caller)
    signal?.addEventListener('abort', leave, { once: true })
    // The work may have aborted it, if this caller's arrival began the work.
    if (signal?.aborted) leave()
    this.#tell(caller)
    return promise
  }

  #report(progress: unknown): void {
    if (this.#outcome !== undefined) return
    this.#history.push(progress)
    for (const caller of [...this.#attached]) this.#tell(caller)
  }

  /** Brings a caller up to date: the same for one that has just come and one that is live, so nothing is told twice. */
  #tell(caller: Attached): void {
    while (this.#attached.has(caller) && caller.told < this.#history.length) {
      try {
        caller.onProgress?.(this.#history[caller.told++])
      } catch (error) {
        caller.settle({ ok: false, error })
      }
    }
  }
}
