import type { Clock } from '../clock.ts'
import type { CheckWait, ServiceCheck } from '../health/index.ts'
import type { Holder } from '../holder.ts'
import type { HeldLease } from '../lease.ts'

/** What a binder asks for. Durations are milliseconds. */
export interface AcquireOptions {
  /** The binder, which becomes the holder of the lease. */
  holder: Holder
  /** The name that the holder has for the service. */
  alias?: string
  /** The checks that must pass before the holder gets its lease. */
  checks: readonly ServiceCheck[]
  /** How long it runs on after its last lease; the longest that was asked for counts. */
  grace?: number
  /** From the asking to the lease. */
  startTimeout?: number
  /** From the stop signal to SIGKILL; the longest that was asked for counts. */
  stopTimeout?: number
  /** Sent to stop it, SIGTERM unless said; the first's counts. */
  stopSignal?: string
  /** Ends the binder's interest while it waits. */
  signal?: AbortSignal
  /** Told how the start goes. An error thrown here ends this binder's interest, and nobody else's. */
  onProgress?: (progress: StartProgress) => void
}

export interface StartProgress {
  readonly state: 'waiting' | 'running' | 'healthy' | 'failed'
  readonly detail?: string
}

/** The place where a binder waits: in the queue for the end of an earlier run, then in a life. */
export interface Seat {
  /** Called when the binder has gone. */
  left(binder: Binder): void
  /** Called when the binder's time is over: it must be failed, with the reason. */
  expired(binder: Binder): void
  /** Says for people what the binder still waits for, with the last answer. */
  waitingFor(binder: Binder): string
}

/** From one reminder of what a binder waits for to the next, in milliseconds. */
const tick = 10_000

export interface BinderOptions {
  clock: Clock
  options: AcquireOptions
  startTimeout: number
  seat: Seat
  /** False for a restart: it waits like any other binder, but keeps no lease. @defaultValue true */
  takesLease?: boolean
}

/** One that waits for a service, with one deadline for all of it, from the asking on. */
export class Binder {
  readonly options: AcquireOptions
  readonly startTimeout: number
  readonly takesLease: boolean
  /** The lease; nothing for the binder that a restart is. */
  readonly outcome: Promise<HeldLease | undefined>
  /** Its wait for its checks, once they can be run. */
  checkWait: CheckWait | undefined
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

  /** Moves to the seat where it waits next. */
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

  /** Ends the wait with a lease, unless its own `onProgress` has thrown on hearing of the success. */
  grant(lease: HeldLease | undefined): void {
    if (this.#settle()) this.#resolve(lease)
  }

  fail(error: Error): void {
    if (!this.#settle()) return
    this.#reject(error)
    try {
      this.options.onProgress?.({ state: 'failed', detail: error.message })
    } catch {
      // It fails already, and that failure is the one that matters.
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
