import type { Clock } from '../clock.ts'
import { firstDelay, nextDelay } from './backoff.ts'
import { type Answer, type Check, nameOf } from './check.ts'

export type CheckState = 'waiting' | 'passing' | 'failed'

export type Probe = (check: Check, signal: AbortSignal) => Promise<Answer>

export interface CheckRunOptions {
  clock: Clock
  probe: Probe
  onPass: () => void
  /** Told when it passes, and of each answer that is another one than before. */
  onAnswer?: ((news: CheckNews) => void) | undefined
}

/** How a check stands. */
export interface CheckNews {
  readonly name: string
  readonly state: CheckState
  readonly count: number
  /** Its last failure. */
  readonly answer?: string
}

/** One check of one run: probed until it passes or nobody waits for it any more, and remembered. */
export class CheckRun {
  readonly check: Check
  readonly name: string
  readonly #options: CheckRunOptions
  #state: CheckState = 'failed'
  #count = 0
  #answer: string | undefined
  #attempts: AbortController | undefined
  #timer: Disposable | undefined

  constructor(check: Check, options: CheckRunOptions) {
    this.check = check
    this.name = nameOf(check)
    this.#options = options
  }

  get state(): CheckState {
    return this.#state
  }

  /** How often it was tried. */
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
        void this.#attempt(attempts.signal).then((again) => {
          if (again) attemptAfter(nextDelay(this.#options.clock.now() - since, delay))
        })
      }, delay)
    }
    attemptAfter(firstDelay)
  }

  /** Stops probing; what was found is kept. */
  giveUp(): void {
    if (this.#state !== 'waiting') return
    this.#state = 'failed'
    this.#timer?.[Symbol.dispose]()
    this.#attempts?.abort()
  }

  /** For an error: `6379/tcp: refused (37 checks)`. */
  toString(): string {
    const times = `${this.#count} ${this.#count === 1 ? 'check' : 'checks'}`
    return `${this.name}: ${this.#answer ?? 'no answer yet'} (${times})`
  }

  /** Whether to try again. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    this.#count += 1
    let answer: Answer
    try {
      answer = await this.#options.probe(this.check, signal)
    } catch (error) {
      answer = { ok: false, answer: error instanceof Error ? error.message : String(error) }
    }
    if (signal.aborted) return false
    if (!answer.ok) {
      const news = answer.answer !== this.#answer
      this.#answer = answer.answer
      if (news) this.#tell()
      return true
    }
    this.#state = 'passing'
    this.#tell()
    this.#options.onPass()
    return false
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
