import { untilAborted } from './until-aborted.ts'

/** Handed to a piece of work: a signal that belongs to no caller, and a way to tell all of them something. */
export interface Flight<P> {
  /** Aborted when the last caller has gone, with that caller's reason, and by `close()`. */
  readonly signal: AbortSignal
  /** Tells every caller, late ones from the start. Ignored once the work has settled. */
  report(progress: P): void
}

export interface FlightCaller<P> {
  /** Ends this caller's interest: its promise rejects at once with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Gets all progress from the start. An error thrown here ends this caller's interest, and nobody else's. */
  onProgress?: ((progress: P) => void) | undefined
}

/** Runs work exactly once per key for all who ask while it goes on. */
export interface Flights {
  /**
   * Starts `work`, or attaches to the run in progress. Those attached share its outcome; a later caller gets a run of
   * its own. A caller that comes while a run unwinds, because everybody had gone, waits for that and gets a fresh run.
   *
   * @throws what `work` threw, the caller's abort reason, or what its `onProgress` threw
   */
  join<T, P = never>(
    key: string,
    work: (flight: Flight<P>) => Promise<T>,
    caller?: FlightCaller<P>,
  ): Promise<T>
  /** Counts the runs, those that unwind included. */
  readonly size: number
  /** Counts the callers that are attached to the run of a key. */
  callers(key: string): number
  /** Aborts all runs, and waits until they have unwound. Their callers get what the work throws then. */
  close(): Promise<void>
}

export interface FlightsOptions {
  /** Called when a run failed and nobody was left to hear it; its abort reason does not count as a failure. */
  onUnheard?: (failure: UnheardFailure) => void
  /** The progress of which a late caller is told: all from the start, or the last. @defaultValue `all` */
  replay?: 'all' | 'last'
  /**
   * A caller that comes while a run unwinds waits for that; or it begins the next run at once, where two runs of a key
   * do not disturb each other. @defaultValue `wait`
   */
  whileUnwinding?: 'wait' | 'begin'
}

/** The failure of a run that all its callers had left. */
export interface UnheardFailure {
  readonly key: string
  readonly error: unknown
}

export function createFlights({
  onUnheard,
  replay = 'all',
  whileUnwinding = 'wait',
}: FlightsOptions = {}): Flights {
  /** The run of each key that a caller finds. */
  const runs = new Map<string, Run>()
  /** The runs that have not settled: those, and others that unwind. */
  const unended = new Set<Run>()

  const begin = (key: string, work: Work): Run => {
    const run = new Run(replay, (error) => onUnheard?.({ key, error }))
    // In the map before the work begins, so that whoever the work calls finds it.
    runs.set(key, run)
    unended.add(run)
    run.begin(work, () => {
      unended.delete(run)
      if (runs.get(key) === run) runs.delete(key)
    })
    return run
  }

  return {
    async join<T, P>(key: string, work: (flight: Flight<P>) => Promise<T>, caller: FlightCaller<P> = {}) {
      for (;;) {
        caller.signal?.throwIfAborted()
        let run = runs.get(key)
        if (run === undefined || (run.unwinding && whileUnwinding === 'begin')) run = begin(key, work as Work)
        if (!run.unwinding) return (await run.attach(caller as FlightCaller<unknown>)) as T
        await untilAborted(run.over, caller.signal)
      }
    },
    get size() {
      return unended.size
    },
    callers: (key) => runs.get(key)?.callers ?? 0,
    async close() {
      const ends = [...unended].map((run) => run.abort())
      await Promise.all(ends)
    },
  }
}

type Work = (flight: Flight<unknown>) => Promise<unknown>
type Outcome = { ok: true; value: unknown } | { ok: false; error: unknown }

interface Attached {
  onProgress: ((progress: unknown) => void) | undefined
  /** The number of reports it has been told. */
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
  readonly #replay: 'all' | 'last'
  /** The reports that somebody may still have to be told. */
  readonly #history: unknown[] = []
  /** The number of reports before those. */
  #forgotten = 0
  readonly #onUnheard: (error: unknown) => void
  /** False until the caller that began it is attached: the work may report before. */
  #joined = false
  #outcome: Outcome | undefined

  constructor(replay: 'all' | 'last', onUnheard: (error: unknown) => void) {
    this.#replay = replay
    this.#onUnheard = onUnheard
    const { promise, resolve } = Promise.withResolvers<void>()
    this.over = promise
    this.#endOver = resolve
  }

  /** True when it was aborted and the work has not settled yet: it must not be joined. */
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
      const unheard = this.#attached.size === 0
      // A run that everybody left is expected to end with the abort; any other failure of its must be heard.
      if (unheard && !outcome.ok && outcome.error !== signal.reason) this.#onUnheard(outcome.error)
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

  /** Resolves when the work has unwound. */
  abort(): Promise<void> {
    this.#abort.abort()
    return this.over
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
    if (this.#replay === 'last' && this.#joined) caller.told = Math.max(0, this.#reported - 1)
    this.#joined = true
    this.#attached.add(caller)
    signal?.addEventListener('abort', leave, { once: true })
    // The work may have aborted it, if this caller's arrival began the work.
    if (signal?.aborted) leave()
    this.#tell(caller)
    return promise
  }

  get #reported(): number {
    return this.#forgotten + this.#history.length
  }

  #report(progress: unknown): void {
    if (this.#outcome !== undefined) return
    this.#history.push(progress)
    for (const caller of [...this.#attached]) this.#tell(caller)
    if (this.#replay === 'last' && this.#joined) this.#forget()
  }

  /** Tells a caller what it has not been told: one that has just come and one that is live alike, each thing once. */
  #tell(caller: Attached): void {
    while (this.#attached.has(caller) && caller.told < this.#reported) {
      const progress = this.#history[caller.told - this.#forgotten]
      caller.told += 1
      try {
        caller.onProgress?.(progress)
      } catch (error) {
        caller.settle({ ok: false, error })
      }
    }
  }

  /** Drops all but the last, and what somebody is only now being told: a callback may have reported more. */
  #forget(): void {
    const needed = Math.min(this.#reported - 1, ...[...this.#attached].map(({ told }) => told))
    this.#history.splice(0, needed - this.#forgotten)
    this.#forgotten = needed
  }
}
