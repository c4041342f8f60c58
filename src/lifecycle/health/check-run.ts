import type { Clock } from '../clock.ts'
import { duration } from '../duration.ts'
import { type CheckAnswer, nameOf, type ServiceCheck } from './check.ts'
import { delayAfter, delayBefore, timeoutOf } from './timing.ts'

export type CheckState = 'waiting' | 'passing' | 'failed'

export type CheckProbe = (check: ServiceCheck, signal: AbortSignal) => Promise<CheckAnswer>

export interface CheckRunOptions {
  clock: Clock
  probe: CheckProbe
  onPass: () => void
  /** Called when it has failed for good. */
  onFail: () => void
  /** Called when it passes, and when an answer differs from the one before. */
  onAnswer?: ((news: CheckNews) => void) | undefined
}

/** The state of a check after an attempt. */
export interface CheckNews {
  readonly name: string
  readonly state: CheckState
  readonly count: number
  /** Its last failure. */
  readonly answer?: string
}

/** One check of one run: probed until it passes or nobody waits for it any more, and remembered. */
export class CheckRun {
  readonly check: ServiceCheck
  readonly name: string
  readonly #options: CheckRunOptions
  #state: CheckState = 'failed'
  #count = 0
  #answer: string | undefined
  #attempts: AbortController | undefined
  #timer: Disposable | undefined

  constructor(check: ServiceCheck, options: CheckRunOptions) {
    this.check = check
    this.name = nameOf(check)
    this.#options = options
  }

  get state(): CheckState {
    return this.#state
  }

  /** The number of attempts. */
  get count(): number {
    return this.#count
  }

  /** Its last failure, `undefined` before the first. */
  get answer(): string | undefined {
    return this.#answer
  }

  /** Begins to probe, also after it was given up; does nothing while that goes on or once it has passed. */
  begin(): void {
    if (this.#state !== 'failed') return
    this.#state = 'waiting'
    const attempts = new AbortController()
    this.#attempts = attempts
    const since = this.#options.clock.now()
    const attemptAfter = (delay: number) => {
      this.#timer = this.#options.clock.setTimeout(() => {
        void this.#attempt(attempts.signal, since).then((again) => {
          if (again) attemptAfter(delayAfter(this.check, this.#options.clock.now() - since, delay))
        })
      }, delay)
    }
    attemptAfter(delayBefore(this.check))
  }

  /** Stops probing; what was found is kept. */
  giveUp(): void {
    if (this.#state !== 'waiting') return
    this.#state = 'failed'
    this.#timer?.[Symbol.dispose]()
    this.#attempts?.abort()
  }

  /** Formats it for an error: `6379/tcp: refused (37 checks)`. */
  toString(): string {
    const times = `${this.#count} ${this.#count === 1 ? 'check' : 'checks'}`
    return `${this.name}: ${this.#answer ?? 'no answer yet'} (${times})`
  }

  /** Makes an attempt; returns true if another must follow. */
  async #attempt(signal: AbortSignal, since: number): Promise<boolean> {
    this.#count += 1
    const answer = await this.#ask(signal)
    if (signal.aborted) return false
    if (answer.ok) {
      this.#state = 'passing'
      this.#tell()
      this.#options.onPass()
      return false
    }
    const isNews = answer.answer !== this.#answer
    this.#answer = answer.answer
    const { failsAfter = Number.POSITIVE_INFINITY } = this.check.timing ?? {}
    const again = !answer.final && this.#options.clock.now() - since < failsAfter
    if (!again) this.#state = 'failed'
    if (isNews || !again) this.#tell()
    if (again) return true
    this.#options.onFail()
    return false
  }

  /** Asks the probe; answers in time whatever that does. */
  async #ask(signal: AbortSignal): Promise<CheckAnswer> {
    const { clock, probe } = this.#options
    const timeout = timeoutOf(this.check)
    const late = new AbortController()
    const { promise, resolve } = Promise.withResolvers<CheckAnswer>()
    using _timer = clock.setTimeout(() => {
      resolve({ ok: false, answer: `no answer within ${duration(timeout)}` })
      late.abort(new DOMException('the attempt takes too long', 'TimeoutError'))
    }, timeout)
    const probing = async () => resolve(await probe(this.check, AbortSignal.any([signal, late.signal])))
    probing().catch((error) =>
      resolve({ ok: false, answer: error instanceof Error ? error.message : String(error) }),
    )
    return await promise
  }

  #tell(): void {
    const answer = this.#state === 'passing' ? undefined : this.#answer
    this.#options.onAnswer?.({
      name: this.name,
      state: this.#state,
      count: this.#count,
      ...(answer === undefined ? {} : { answer }),
    })
  }
}
