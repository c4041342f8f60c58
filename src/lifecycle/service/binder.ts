import type { Clock } from '../clock.ts'
import type { ServiceCheck, Wanted } from '../health/index.ts'
import type { Holder } from '../holder.ts'
import type { HeldLease } from '../lease.ts'

/** What somebody who wants a service asks for. Durations are milliseconds. */
export interface AcquireOptions {
  /** Who wants it. */
  holder: Holder
  /** What the holder calls it. */
  alias?: string
  /** What must hold before the holder runs. */
  checks: readonly ServiceCheck[]
  /** How long it runs on after its last lease; the longest that was asked for counts. */
  grace?: number
  /** From the asking to the lease. */
  startTimeout?: number
  /** From the stop signal to SIGKILL; the longest that was asked for counts. */
  stopTimeout?: number
  /** Sent to stop it, SIGTERM unless said; the first's counts. */
  stopSignal?: string
  /** Ends the interest while it waits. */
  signal?: AbortSignal
  /** Told how the start goes. What it throws ends this holder's interest, and nobody else's. */
  onProgress?: (progress: StartProgress) => void
}

export interface StartProgress {
  readonly state: 'waiting' | 'running' | 'healthy' | 'failed'
  readonly detail?: string
}

/** Where a binder waits. */
export interface Seat {
  /** It has gone. */
  left(binder: Binder): void
  /** Its time is over: it must be rejected, with the reason. */
  expired(binder: Binder): void
  /** How far it is, for people: what is missing, with its last answer. */
  waitingFor(binder: Binder): string
}

/** How often those who wait are told what for. */
const tick = 10_000

export interface BinderOptions {
  clock: Clock
  options: AcquireOptions
  startTimeout: number
  seat: Seat
  /** A restart waits like any other, but keeps nothing. @defaultValue true */
  takesLease?: boolean
}

/** Somebody who waits for a service, with one deadline for all of it, from the asking on. */
export class Binder {
  readonly options: AcquireOptions
  readonly startTimeout: number
  readonly takesLease: boolean
  /** The lease; nothing for the binder that a restart is. */
  readonly outcome: Promise<HeldLease | undefined>
  /** Its checks, once they can be run. */
  wanted: Wanted | undefined
  #seat: Seat
  #settled = false
  readonly #resolve: (lease: HeldLease | undefined) => void
  readonly #reject: (reason: unknown) => void
  readonly #clock: Clock
  readonly #deadline: Disposable
  #tick: Disposable
  readonly #onAbort: () => void

  constructor({ clock, options, startTimeout, seat, takesLease = true }: BinderOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<HeldLease | undefined>()
    this.options = options
    this.startTimeout = startTimeout
    this.takesLease = takesLease
    this.outcome = promise
    this.#seat = seat
    this.#resolve = resolve
    this.#reject = reject
    this.#clock = clock
    this.#deadline = clock.setTimeout(() => this.#seat.expired(this), startTimeout)
    this.#tick = this.#nextTick()
    this.#onAbort = () => this.#leave(options.signal?.reason)
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get settled(): boolean {
    return this.#settled
  }

  /** Moves to where it waits next. */
  sit(seat: Seat): void {
    this.#seat = seat
  }

  progress(progress: StartProgress): void {
    if (this.#settled) return
    try {
      this.options.onProgress?.(progress)
    } catch (error) {
      this.#leave(error)
    }
  }

  /** The last word of a success, unless its own `onProgress` throws on hearing of it. */
  grant(lease: HeldLease | undefined): void {
    if (this.#settle()) this.#resolve(lease)
  }

  fail(error: Error): void {
    if (!this.#settle()) return
    this.#reject(error)
    try {
      this.options.onProgress?.({ state: 'failed', detail: error.message })
    } catch {
      // It is being told of a failure already, which is the one that matters.
    }
  }

  #leave(reason: unknown): void {
    if (!this.#settle()) return
    this.#reject(reason)
    this.#seat.left(this)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#deadline[Symbol.dispose]()
    this.#tick[Symbol.dispose]()
    this.options.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }

  #nextTick(): Disposable {
    return this.#clock.setTimeout(() => {
      this.#tick = this.#nextTick()
      this.progress({ state: 'waiting', detail: `still waiting: ${this.#seat.waitingFor(this)}` })
    }, tick)
  }
}
